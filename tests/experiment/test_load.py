"""A finished run comes back through one function, or is refused in two lines."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.load import open_run
from fewrec_cli.experiment.manifest import weights_of

QUIET = Reporter(quiet=True)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.mark.slow
def test_an_opened_run_has_its_trained_weights(finished: Path) -> None:
    cfg, world, chosen = open_run(finished, QUIET)
    saved = torch.load(finished / "checkpoint.ckpt", weights_only=True)["state_dict"]
    for word, module in (("backbone", world.backbone), ("strategy", world.strategy)):
        for name, value in module.state_dict().items():
            assert torch.equal(value, saved[f"{word}.{name}"])
    manifest = json.loads((finished / "manifest.json").read_text())
    assert (cfg.seed, chosen.strength) == (0, manifest["chosen"]["strength"])
    assert chosen.steps == manifest["chosen"]["steps"]


def test_the_chosen_strength_comes_back(copy: Path) -> None:
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["chosen"]["strength"] = 0.25
    path.write_text(json.dumps(manifest))
    _, world, chosen = open_run(copy, QUIET)
    assert world.strategy.adapter.strength == chosen.strength == 0.25


def test_changed_data_are_refused(copy: Path) -> None:
    cfg = OmegaConf.load(copy / "config.yaml")
    cfg.data.noise = 0.31
    OmegaConf.save(cfg, copy / "config.yaml")
    with pytest.raises(RunFolderError, match="has changed since the run: its hash was") as caught:
        open_run(copy, QUIET)
    assert "train anew" in caught.value.remedy


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "{}"])
def test_a_manifest_that_cannot_be_read_is_refused(copy: Path, content: str | None) -> None:
    path = copy / "manifest.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(RunFolderError):
        open_run(copy, QUIET)


@pytest.mark.parametrize("kept", [0, 1, 100, 2000, -1])
def test_broken_weights_are_refused(copy: Path, kept: int) -> None:
    path = copy / "checkpoint.ckpt"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunFolderError, match="cannot load the weights"):
        open_run(copy, QUIET)


def test_missing_weights_are_refused(copy: Path) -> None:
    (copy / "checkpoint.ckpt").unlink()
    with pytest.raises(RunFolderError, match="cannot load the weights"):
        open_run(copy, QUIET)


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    cfg = OmegaConf.load(copy / "config.yaml")
    cfg.backbone.factors = cfg.backbone.factors + 1
    OmegaConf.save(cfg, copy / "config.yaml")
    with pytest.raises(RunFolderError, match="does not fit"):
        open_run(copy, QUIET)


def test_weights_lie_in_the_folder_or_where_the_manifest_says(copy: Path) -> None:
    assert weights_of(copy) == copy / "checkpoint.ckpt"
    path = copy / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights": "/elsewhere/w.ckpt"}))
    assert weights_of(copy) == Path("/elsewhere/w.ckpt")
