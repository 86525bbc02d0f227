"""Vectors of pairs on disk: used for the same pairs and weights, and for no others."""

from pathlib import Path

import pytest
import torch

from fewrec_cli.backbone import kept as module
from fewrec_cli.backbone.pairs import PairVectors
from fewrec_cli.core import cache
from tests.backbone.tiny import ready

pytest.importorskip("transformers")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.FOLDER, str(tmp_path))
    monkeypatch.setattr(module, "LONG", 0)
    return tmp_path


def frozen() -> PairVectors:
    return ready("bert", "cross").vectors


def asked() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([0, 1, 1]), torch.tensor([3, 5, 3])


def test_the_second_time_vectors_are_read_from_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = frozen()
    first = module.kept(vectors, *asked())
    torch.testing.assert_close(first, vectors(*asked()))
    assert [entry.kind for entry in cache.entries()] == [module.KIND]
    monkeypatch.setattr(PairVectors, "forward", lambda *_: pytest.fail("read again"))
    torch.testing.assert_close(module.kept(vectors, *asked()).double(), first, rtol=1e-6, atol=1e-6)


def test_other_pairs_and_other_weights_are_read_anew(folder: Path) -> None:
    vectors = frozen()
    module.kept(vectors, *asked())
    user, item = asked()
    other = module.kept(vectors, user, item + 1)
    torch.testing.assert_close(other.double(), vectors(user, item + 1))
    with torch.no_grad():
        next(vectors.trunk.parameters()).add_(0.5)
    moved = module.kept(vectors, *asked())
    torch.testing.assert_close(moved.double(), vectors(*asked()))
    assert len(cache.entries()) == 3


def test_what_is_short_or_learns_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = ready("bert", "cross", "backbone.tuned=lora").vectors
    module.kept(learning, *asked())
    monkeypatch.setattr(module, "LONG", 1 << 40)
    module.kept(frozen(), *asked())
    assert not cache.entries()
