"""The manifest says how large a model is, how much of it a task changes, and by which engine."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from tests.experiment.conftest import Call

BARE = ("logger=none", "scenario.draws=1", "scenario.curve=[2]", "scenario.shots=2")


@pytest.mark.parametrize(
    ("words", "adapted", "engine"),
    [
        (("strategy=maml", "backbone.factors=4"), 5, "fast"),  # p and b
        pytest.param(
            ("strategy=transfer", "strategy/adapter=ridge", "backbone.factors=4"),
            5,
            "ridge",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("strategy=transfer", "strategy/adapter=none"), 0, None, marks=pytest.mark.slow
        ),
        pytest.param(("strategy=in_context",), None, "ridge", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_the_manifest_counts_parameters_and_names_the_engine(
    words: tuple[str, ...],
    adapted: int | None,
    engine: str | None,
    folder: Path,
    fewrec: "Call",
    quick: tuple[str, ...],
    no_figure: None,
) -> None:
    done = fewrec("train", *quick, *BARE, *words).run
    manifest = json.loads((done / "manifest.json").read_text())
    assert (manifest["engine"] or {"path": None})["path"] == engine
    told = manifest["parameters"]
    assert told["adapted"] == adapted
    own = "" if adapted is None else f", {adapted} adapted per task"
    assert f"parameters: {told['trainable']:,} trainable{own}\n" in (done / "log.txt").read_text()
    weights = torch.load(done / "checkpoint.ckpt", weights_only=True)["state_dict"]
    assert 0 < told["trainable"] <= sum(value.numel() for value in weights.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [("strategy=features",), ("strategy=generate", "backbone=bert", "backbone.weights=scratch")],
    ids=lambda words: words[0],
)
def test_a_strategy_without_steps_is_as_large_as_what_it_fits(
    words: tuple[str, ...], folder: Path, fewrec: "Call", quick: tuple[str, ...], no_figure: None
) -> None:
    if "backbone=bert" in words:
        pytest.importorskip("transformers")
    done = fewrec("train", *quick, *BARE, *words).run
    manifest = json.loads((done / "manifest.json").read_text())
    assert manifest["engine"] is None
    told = manifest["parameters"]
    weights = torch.load(done / "checkpoint.ckpt", weights_only=True)["state_dict"]
    assert told["trainable"] == len(weights["strategy.found"])
