"""list, show, data check, doctor."""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from fewrec_cli import __version__

if TYPE_CHECKING:
    from tests.cli.conftest import Call


def test_list_gives_every_group_with_a_line_for_each_option(fewrec: "Call") -> None:
    lines = fewrec("list").out.splitlines()
    assert "strategy" in lines
    assert "strategy/adapter" in lines
    assert all(len(line.split()) > 1 for line in lines if line.startswith("  "))
    assert fewrec("list", "trainer").out.startswith("trainer\n  auto ")


def test_list_takes_the_docstring_where_the_yaml_has_no_comment(fewrec: "Call") -> None:
    mine = Path("my")
    (mine / "strategy").mkdir(parents=True)
    (mine / "strategy" / "mine.yaml").write_text("_target_: fewrec_cli.strategy.maml.MAML\nx: 1\n")
    (mine / "strategy" / "broken.yaml").write_text("_target_: nowhere.Thing\n")
    (mine / "strategy" / "yours.yaml").write_text("# Yours.\n_target_: nowhere.Yours\n")
    listed = fewrec("list", "strategy", "--config-dir", "my").out
    told = dict(line.split(maxsplit=1) for line in listed.splitlines()[1:])
    assert told["mine"]
    assert told["yours"] == "Yours."
    assert told["broken"].startswith("_target_ nowhere.Thing: no module 'nowhere'")
    assert all(line.strip().partition(" ")[2] for line in listed.splitlines()[1:])


def test_show_prints_the_yaml_with_its_comments(fewrec: "Call") -> None:
    shown = fewrec("show", "strategy=maml").out
    assert "_target_: fewrec_cli.strategy.maml.MAML" in shown
    assert "# step size of the inner loop" in shown


@pytest.mark.slow
def test_data_check_composes_trains_words(fewrec: "Call", monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    fake = ModuleType("fewrec_cli.experiment.describe")
    fake.run = lambda cfg, _: seen.append(cfg)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    assert fewrec("data", "check", "data=synthetic", "data.users=33").code == 0
    assert seen[0].data.users == 33
    assert "hydra" not in seen[0]
    assert fewrec("data", "check", "data=synthetc").code == 2
    assert not any(Path.cwd().iterdir())


def test_doctor_names_versions_devices_and_data(
    fewrec: "Call", monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "sets" / "ml-100k").mkdir(parents=True)
    monkeypatch.setenv("FEWREC_DATA", str(folder / "sets"))
    told = fewrec("doctor").out
    assert f"fewrec              {__version__}" in told
    assert "sets: ml-100k" in told
    for word in ("python", "torch", "transformers", "gpu", "cpu cores", "data/"):
        assert f"\n{word}" in told
