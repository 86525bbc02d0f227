"""``evaluate`` starts from the run's own config and leaves the cold set alone."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from omegaconf import OmegaConf

from tests.composed import composed

if TYPE_CHECKING:
    from tests.cli.conftest import Call, Jobs


@pytest.fixture
def base(folder: Path) -> Path:
    """A finished run with words of its own."""
    run = folder / "outputs" / "train" / "synthetic_user_cold_mf_transfer" / "one"
    run.mkdir(parents=True)
    cfg = composed("seed=7", "strategy=transfer", "scenario.query=8", "logger=none")
    OmegaConf.save(cfg, run / "config.yaml", resolve=True)
    (run / "metrics.json").write_text("{}")
    return run


@pytest.mark.slow
def test_the_runs_own_config_is_used_with_the_words_on_top(
    base: Path, fewrec: "Call", jobs: "Jobs"
) -> None:
    done = fewrec("evaluate", f"run={base}", "scenario.shots=1", "evaluation.k=[2]")
    assert done.code == 0, done.err
    config = jobs.configs[-1]
    assert config["seed"] == 7
    assert config["strategy"]["_target_"].endswith("Transfer")
    assert (config["scenario"]["shots"], config["evaluation"]["k"]) == (1, [2])
    assert jobs.bases == [base]


@pytest.mark.slow
def test_the_evaluation_gets_its_own_folder_beside_others_of_the_kind(
    base: Path, fewrec: "Call", jobs: "Jobs"
) -> None:
    fewrec("evaluate", f"run={base}")
    name = jobs.folders[-1].relative_to(Path.cwd()).as_posix()
    middle = "synthetic_user_cold_mf_transfer"
    assert re.fullmatch(rf"outputs/evaluate/{middle}/[\d-]+-[0-9a-f]{{8}}", name)


@pytest.mark.slow
def test_other_shots_leave_the_tasks_as_they_were(base: Path, fewrec: "Call", jobs: "Jobs") -> None:
    fewrec("evaluate", f"run={base}", "scenario.shots=1")
    assert jobs.configs[-1]["scenario"]["min_interactions"] == 5 + 8


@pytest.mark.slow
def test_a_run_without_support_cannot_be_scored_with_one(
    base: Path, fewrec: "Call", jobs: "Jobs"
) -> None:
    cfg = composed("strategy=transfer", "scenario.shots=0", "logger=none")
    OmegaConf.save(cfg, base / "config.yaml", resolve=True)
    done = fewrec("evaluate", f"run={base}", "scenario.shots=5")
    assert done.code == 2
    assert "its tasks keep no support" in done.err
    assert "fewrec train ... scenario.shots=5" in done.err
    assert not jobs.configs
    assert fewrec("evaluate", f"run={base}", "scenario.shots=0").code == 0


def test_a_key_that_came_after_the_run_may_be_given(
    base: Path, fewrec: "Call", jobs: "Jobs"
) -> None:
    cfg = OmegaConf.load(base / "config.yaml")
    del cfg.evaluation.further, cfg.evaluation.deciles
    OmegaConf.save(cfg, base / "config.yaml")
    done = fewrec("evaluate", f"run={base}", "evaluation.further=[map_multi]")
    assert done.code == 0, done.err
    told = jobs.configs[-1]["evaluation"]
    assert (told["further"], told["deciles"]) == (["map_multi"], [])


@pytest.mark.slow
@pytest.mark.parametrize("word", ["scenario.shots=5", "scenario.query=2"])
def test_windows_keep_their_length_as_other_windows_may_be_trained_on(
    word: str, base: Path, fewrec: "Call", jobs: "Jobs"
) -> None:
    cfg = composed("strategy=features", "scenario=windows", "logger=none")
    OmegaConf.save(cfg, base / "config.yaml", resolve=True)
    done = fewrec("evaluate", f"run={base}", word)
    assert done.code == 2
    assert f"{word.partition('=')[0]} decides which windows there are" in done.err
    assert not jobs.configs
    assert fewrec("evaluate", f"run={base}", "scenario.curve=[1,10]").code == 0


def test_words_that_decide_who_is_cold_are_refused_by_name(
    base: Path, fewrec: "Call", jobs: "Jobs"
) -> None:
    words = [
        *("scenario=warm", "scenario.fraction=0.3", "scenario.seed=1", "scenario.by=list"),
        *("scenario.validation=0.2", "scenario.users=ids.txt", "scenario.min_interactions=3"),
        *("scenario.max_interactions=9", "strategy=maml", "strategy.inner_lr=1", "data.users=3"),
        "seed=1",
    ]
    done = fewrec("evaluate", *words, f"run={base}")
    told = done.err.splitlines()
    assert done.code == 2
    assert [line.split()[1] for line in told[::2]] == [word.partition("=")[0] for word in words]
    assert all(line.startswith("  train anew") for line in told[1::2])
    assert not jobs.bases


def test_a_misspelt_word_is_told(base: Path, fewrec: "Call") -> None:
    done = fewrec("evaluate", f"run={base}", "scenario.shot=1")
    assert "scenario.shot is not an option of the run" in done.err
    assert "did you mean scenario.shots?" in done.err


def test_a_word_that_the_runs_scenario_lacks_is_not_proposed(base: Path, fewrec: "Call") -> None:
    told = fewrec("evaluate", f"run={base}", "scenario.pool=true").err
    assert told.startswith(
        "error: scenario.pool is not an option of the run's scenario\n  free here:"
    )


def test_an_unfinished_run_is_refused(base: Path, fewrec: "Call") -> None:
    (base / "metrics.json").unlink()
    done = fewrec("evaluate", f"run={base}")
    assert done.code == 2
    assert "holds no finished run: metrics.json is missing" in done.err


def test_a_folder_with_spaces_and_brackets_is_found(
    base: Path, fewrec: "Call", jobs: "Jobs"
) -> None:
    odd = base.rename(base.with_name("my run (old) [1]"))
    done = fewrec("evaluate", f"run={odd.relative_to(Path.cwd())}")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_evaluations_can_be_swept(base: Path, fewrec: "Call", jobs: "Jobs") -> None:
    assert fewrec("evaluate", f"run={base}", "scenario.shots=1,3", "-m").code == 0
    assert [config["scenario"]["shots"] for config in jobs.configs] == [1, 3]
    assert jobs.lines[-1][:2] == ["evaluate", f"run={base}"]


def test_a_config_that_was_broken_since_is_told(base: Path, fewrec: "Call") -> None:
    for content in ("scenario: [", "seed: 1"):
        (base / "config.yaml").write_text(content)
        done = fewrec("evaluate", f"run={base}")
        assert done.code == 2
        assert "config.yaml" in done.err.splitlines()[0]


def test_a_settled_word_names_the_words_that_are_free(base: Path, fewrec: "Call") -> None:
    told = fewrec("evaluate", f"run={base}", "seed=3").err
    assert "seed was settled when the run was trained" in told
    assert "(free here: scenario.shots, scenario.query, " in told
    assert "scenario.*" not in told
