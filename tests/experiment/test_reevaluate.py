"""``fewrec evaluate``: the run's own figures again, other shots, other metrics."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from omegaconf import OmegaConf

if TYPE_CHECKING:
    from tests.experiment.conftest import Call, Outcome

pytestmark = pytest.mark.usefixtures("no_figure")


def rows(folder: Path) -> dict[tuple[str, Any], dict[str, Any]]:
    content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {(row["row"], row["shots"]): row["metrics"] for row in content["rows"]}


@pytest.fixture(scope="module")
def again(
    finished: Path, fewrec: "Call", tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, "Outcome"]:
    """The run evaluated once more without a further word."""
    folder = tmp_path_factory.mktemp("again") / "evaluated"
    return folder, fewrec("evaluate", f"run={finished}", f"hydra.run.dir={folder}")


@pytest.mark.slow
def test_unchanged_words_give_the_runs_figures_exactly(
    finished: Path, again: tuple[Path, "Outcome"]
) -> None:
    folder, done = again
    assert done.run == folder
    assert rows(folder) == rows(finished)
    hashes = [
        json.loads((one / "manifest.json").read_text())["episodes"]["hash"]
        for one in (finished, folder)
    ]
    assert hashes[0] == hashes[1]


def test_the_folder_is_a_run_folder_without_weights(again: tuple[Path, "Outcome"]) -> None:
    names = {path.name for path in again[0].rglob("*") if path.is_file()}
    assert names == {
        *("config.yaml", "log.txt", "manifest.json", "metrics.json", "episodes.parquet"),
        *("tasks.parquet", "predictions.parquet", "shots.png"),
    }


@pytest.mark.slow
def test_an_evaluation_can_be_evaluated_again(
    finished: Path, again: tuple[Path, "Outcome"], fewrec: "Call", folder: Path
) -> None:
    done = fewrec("evaluate", f"run={again[0]}")
    assert rows(done.run) == rows(finished)
    assert done.run.relative_to(folder).parts[:2] == ("outputs", "evaluate")


@pytest.mark.slow
def test_other_shots_score_the_same_queries(finished: Path, fewrec: "Call", folder: Path) -> None:
    found = rows(fewrec("evaluate", f"run={finished}", "scenario.shots=1").run)
    before = rows(finished)
    assert {shots for _, shots in found} == {0, 1, 2, "all"}
    for key, metrics in before.items():
        assert found[key] == metrics
    assert found["maml", 1] != found["maml", 2]


@pytest.mark.slow
def test_other_cut_offs_and_draws_work(finished: Path, fewrec: "Call", folder: Path) -> None:
    words = ("evaluation.k=[2]", "scenario.draws=1", "scenario.candidates=catalogue")
    found = rows(fewrec("evaluate", f"run={finished}", *words).run)
    assert "ndcg@2" in found["maml", 2]
    assert "ndcg@5" not in found["maml", 2]
    assert found["maml", 2]["mae"]["sd"] is None


@pytest.mark.slow
def test_a_run_from_before_some_keys_has_its_figures_again(
    finished: Path, fewrec: "Call", folder: Path
) -> None:
    base = Path(shutil.copytree(finished, folder / "base"))
    cfg = OmegaConf.load(base / "config.yaml")
    del cfg.evaluation.deciles, cfg.evaluation.pool_bias, cfg.backbone.content
    OmegaConf.save(cfg, base / "config.yaml")
    done = fewrec("evaluate", "run=base")
    assert done.code == 0, done.err
    assert "keys that came after that run, as it was made: backbone.content='table'" in done.err
    assert rows(done.run) == rows(finished)


@pytest.mark.slow
def test_a_run_whose_data_changed_is_refused(finished: Path, fewrec: "Call", folder: Path) -> None:
    base = Path(shutil.copytree(finished, folder / "base"))
    config = (base / "config.yaml").read_text()
    (base / "config.yaml").write_text(config.replace("noise: 0.3\n", "noise: 0.31\n"))
    done = fewrec("evaluate", "run=base")
    assert done.code == 2
    assert "has changed since the run" in done.told
    assert not (folder / "outputs").exists()


@pytest.mark.parametrize("name", ["metrics.json", "config.yaml", "manifest.json"])
def test_an_unfinished_run_is_refused(
    name: str, finished: Path, fewrec: "Call", folder: Path
) -> None:
    base = Path(shutil.copytree(finished, folder / "base"))
    (base / name).unlink()
    done = fewrec("evaluate", "run=base")
    assert done.code == 2
    assert f"holds no finished run: {name} is missing" in done.told
    assert not (folder / "outputs").exists()
