"""Words of language models that do not fit each other are refused at the door."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fewrec_cli.experiment.rules import broken_rules
from tests.composed import composed

pytest.importorskip("transformers")


@pytest.fixture
def causal(tmp_path: Path) -> Path:
    """The folder of a run whose language model has read the texts first."""
    words = "{weights: scratch, template: null, pretrain: causal}"
    (tmp_path / "config.yaml").write_text(f"backbone: {words}")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ((), True),
        (("backbone.pretrain=causal",), False),
        (("backbone.score=cross",), False),  # whose checkpoint holds the language model
    ],
)
def test_tables_are_not_put_over_vectors_that_they_were_not_learned_from(
    words: tuple[str, ...], refused: bool, causal: Path
) -> None:
    cfg = composed("backbone=gpt2", f"backbone.weights={causal}", *words)
    faults = list(broken_rules(lambda word: OmegaConf.select(cfg, word, default=...)))
    assert bool(faults) is refused
    if refused:
        assert "as backbone.pretrain=causal reads them" in faults[0][0]
        assert faults[0][1].startswith("write backbone.pretrain=causal here")
