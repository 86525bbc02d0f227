"""The manifest says how large a model is, and how much of it a task changes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from tests.experiment.conftest import Call

BARE = ("logger=none", "scenario.draws=1", "scenario.curve=[2]", "scenario.shots=2")


@pytest.mark.parametrize(
    ("words", "adapted"),
    [
        (("strategy=maml", "backbone.factors=4"), 5),  # p and b
        pytest.param(
            ("strategy=transfer", "strategy/adapter=ridge", "backbone.factors=4"),
            5,
            marks=pytest.mark.slow,
        ),
        pytest.param(("strategy=transfer", "strategy/adapter=none"), 0, marks=pytest.mark.slow),
        pytest.param(("strategy=in_context",), None, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_the_manifest_counts_parameters(
    words: tuple[str, ...],
    adapted: int | None,
    folder: Path,
    fewrec: "Call",
    quick: tuple[str, ...],
    no_figure: None,
) -> None:
    done = fewrec("train", *quick, *BARE, *words).run
    told = json.loads((done / "manifest.json").read_text())["parameters"]
    assert told["adapted"] == adapted
    weights = torch.load(done / "checkpoint.ckpt", weights_only=True)["state_dict"]
    assert 0 < told["trainable"] <= sum(value.numel() for value in weights.values())


@pytest.mark.slow
def test_a_strategy_that_reads_no_backbone_is_as_large_as_what_it_fits(
    folder: Path, fewrec: "Call", quick: tuple[str, ...], no_figure: None
) -> None:
    done = fewrec("train", *quick, *BARE, "strategy=features").run
    told = json.loads((done / "manifest.json").read_text())["parameters"]
    weights = torch.load(done / "checkpoint.ckpt", weights_only=True)["state_dict"]
    assert told["trainable"] == len(weights["strategy.found"])
