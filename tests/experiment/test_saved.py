"""A run's config is brought up to today's keys where a value of theirs changes nothing."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fewrec_cli.core.errors import Faults, RunFolderError
from fewrec_cli.experiment.annotation import fits
from fewrec_cli.experiment.saved import NEUTRAL, read_saved
from fewrec_cli.experiment.signature import signature
from tests.composed import composed

ENTRIES = [(target, key) for target, keys in NEUTRAL.items() for key in keys]


def saved(folder: Path, *words: str, without: tuple[str, ...] = ()) -> Path:
    """Write the config of a run that knew nothing of some keys."""
    made = composed(*words, "logger=none")
    cfg = OmegaConf.create(OmegaConf.to_container(made, resolve=True))
    for word in without:
        parent, _, key = word.rpartition(".")
        node = OmegaConf.select(cfg, parent) if parent else cfg
        node.pop(key)
    OmegaConf.save(cfg, folder / "config.yaml")
    return folder


@pytest.mark.parametrize(("target", "key"), ENTRIES)
def test_a_neutral_value_is_one_that_the_class_takes(target: str, key: str) -> None:
    parameter = signature(target).parameters[key]
    assert fits(NEUTRAL[target][key], parameter.annotation, parameter.module)


def test_nothing_is_added_to_a_run_of_today(tmp_path: Path) -> None:
    found = read_saved(saved(tmp_path))
    assert found.added == {}
    assert found.cfg.strategy.inner_steps == 5


def test_what_changes_nothing_is_filled_in_wherever_its_class_stands(tmp_path: Path) -> None:
    without = ("evaluation.deciles", "data.source.extra", "backbone.content", "scenario.pool")
    base = saved(tmp_path, "data=pair", "scenario=both_cold", without=without)
    found = read_saved(base)
    assert found.added == {
        "data.source.extra": None,
        "scenario.pool": False,
        "backbone.content": "table",
        "evaluation.deciles": [],
    }
    assert found.cfg.backbone.content == "table"
    assert found.cfg.data.source.extra is None


def test_what_only_the_user_can_know_is_asked_for(tmp_path: Path) -> None:
    base = saved(tmp_path, without=("threads", "strategy.adapter.inner_steps", "evaluation.k"))
    with pytest.raises(Faults) as caught:
        read_saved(base)
    words = ("threads", "strategy.adapter.inner_steps", "evaluation.k")
    told = [f"{base}/config.yaml lacks {word}, which this version reads" for word in words]
    assert [fault.problem for fault in caught.value.faults] == told
    remedies = [fault.remedy for fault in caught.value.faults]
    assert remedies[0].startswith("add 'threads:' in that file")
    assert remedies[1].startswith("add 'inner_steps:' (a whole number) below strategy.adapter in")


@pytest.mark.parametrize("content", ["[1]", "a: [", "\0"])
def test_a_file_that_is_no_config_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(RunFolderError, match=r"config\.yaml"):
        read_saved(tmp_path)
