"""From words to jobs: folders, sweeps, what a child process is started with, how a run ends."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from fewrec_cli.cli.unwrap import unwrapped
from fewrec_cli.core.errors import DataError, Interrupted, RunError

if TYPE_CHECKING:
    from tests.cli.conftest import Call, Jobs

STAMP = r"\d{8}-\d{6}-\d{3}"
HASH = "[0-9a-f]{8}"


def relative(folders: list[Path]) -> list[str]:
    return [folder.relative_to(Path.cwd()).as_posix() for folder in folders]


def test_a_run_gets_a_folder_named_after_its_choices(fewrec: "Call", jobs: "Jobs") -> None:
    done = fewrec("train", "strategy=transfer")
    pattern = f"outputs/train/synthetic_user_cold_mf_transfer/{STAMP}-{HASH}"
    assert re.fullmatch(pattern, relative(jobs.folders)[0])
    assert done.out.splitlines()[-1] == str(jobs.folders[0])
    assert (jobs.folders[0] / "log.txt").read_text().endswith("at work\n")
    assert sorted(path.name for path in jobs.folders[0].iterdir()) == [
        "config.yaml",
        "log.txt",
        "metrics.json",
    ]


@pytest.mark.slow
def test_equal_configs_share_a_hash_and_other_configs_have_another(
    fewrec: "Call", jobs: "Jobs"
) -> None:
    for words in (["seed=1"], ["seed=1"], ["seed=2"]):
        fewrec("train", *words)
    first, again, other = (folder.name[-8:] for folder in jobs.folders)
    assert first == again != other
    assert len(set(jobs.folders)) == 3


@pytest.mark.parametrize(
    "line",
    [
        "strategy=reptile -m seed=0,1",
        "strategy=reptile seed=0,1 --multirun",
    ],
)
@pytest.mark.slow
def test_a_sweep_works_in_any_order_of_words(line: str, fewrec: "Call", jobs: "Jobs") -> None:
    done = fewrec("train", *line.split())
    assert done.code == 0, done.err
    assert [config["seed"] for config in jobs.configs] == [0, 1]
    for number, name in enumerate(relative(jobs.folders)):
        assert re.fullmatch(f"outputs/sweep/{STAMP}/{number}-{HASH}", name)
    assert "job 1 (of 0 to 1): strategy=reptile seed=1" in done.err
    assert done.out.splitlines()[-1] == str(jobs.folders[0].parent)
    assert [line in done.out.splitlines() for line in map(str, jobs.folders)] == [True, True]


@pytest.mark.slow
def test_a_sweep_preset_needs_no_flag_and_one_axis_can_be_changed(
    fewrec: "Call", jobs: "Jobs"
) -> None:
    assert fewrec("train", "sweep=shots", "scenario.shots=1,3").code == 0
    assert [config["scenario"]["shots"] for config in jobs.configs] == [1, 3]


def test_a_child_process_gets_the_line_of_a_single_run_with_flags_first(
    fewrec: "Call", jobs: "Jobs", folder: Path
) -> None:
    (folder / "my").mkdir()
    before = list(sys.argv)
    fewrec("train", "seed=3", "--config-dir", "my", "strategy=transfer")
    assert jobs.lines == [["train", "--config-dir", "my", "seed=3", "strategy=transfer"]]
    assert sys.argv == before


@pytest.mark.slow
def test_a_child_process_of_a_sweep_gets_its_own_job_only(
    fewrec: "Call", jobs: "Jobs", folder: Path
) -> None:
    (folder / "my").mkdir()
    fewrec("train", "sweep=seeds", "seed=4,5", "--config-dir", "my")
    for line, seed in zip(jobs.lines, ("seed=4", "seed=5"), strict=True):
        assert line[:3] == ["train", "--config-dir", "my"]
        assert sorted(line[3:]) == sorted(["sweep=seeds", seed, "hydra.mode=RUN"])


@pytest.mark.slow
def test_the_ranks_of_a_job_do_not_reach_the_next(
    fewrec: "Call", jobs: "Jobs", monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def train(*words: object) -> None:
        seen.append(os.environ.get("LOCAL_RANK"))
        os.environ["LOCAL_RANK"] = "0"
        os.environ["MASTER_PORT"] = "1"

    monkeypatch.setattr(sys.modules["fewrec_cli.experiment.pipeline"], "train", train)
    fewrec("train", "-m", "seed=0,1")
    assert seen == [None, None]
    assert "MASTER_PORT" not in os.environ


def test_processes_above_the_first_are_silent(
    fewrec: "Call", jobs: "Jobs", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(sys.modules["fewrec_cli.experiment.pipeline"], "train", lambda *_: None)
    done = fewrec("train", "hydra.run.dir=here")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.slow
def test_a_refused_job_leaves_no_folder(fewrec: "Call", jobs: "Jobs") -> None:
    jobs.fault = DataError("ratings.csv is empty", "give another file")
    done = fewrec("train")
    assert done.code == 2
    assert done.err == "error: ratings.csv is empty\n  give another file\n"
    assert not any(Path.cwd().iterdir())


@pytest.mark.slow
def test_a_failed_run_ends_with_code_1_and_keeps_its_log(fewrec: "Call", jobs: "Jobs") -> None:
    jobs.fault = RunError("the loss is not finite", "lower strategy.inner_lr")
    assert fewrec("train").code == 1
    assert [path.name for path in jobs.folders[0].iterdir()] == ["log.txt"]


@pytest.mark.slow
def test_an_unforeseen_fault_is_told_in_two_lines(fewrec: "Call", jobs: "Jobs") -> None:
    jobs.fault = KeyError("x")
    done = fewrec("train")
    assert done.code == 1
    assert done.err == "error: KeyError: 'x'\n  add --debug for the traceback\n"
    assert "in train" in fewrec("train", "--debug").err


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), Interrupted("interrupted", "none kept")])
def test_an_interrupt_is_told_in_one_line(
    fault: BaseException, fewrec: "Call", jobs: "Jobs"
) -> None:
    jobs.fault = fault
    done = fewrec("train")
    assert done.code == 130
    assert re.fullmatch("interrupted; (nothing was|none) kept.*\n", done.err)


@pytest.mark.slow
def test_a_sweep_stops_at_the_job_that_fails_and_names_it(fewrec: "Call", jobs: "Jobs") -> None:
    jobs.fault, jobs.at = RunError("diverged", "lower the step"), 1
    done = fewrec("train", "-m", "seed=0,1,2")
    assert done.code == 1
    assert len(jobs.configs) == 2
    assert "job 1 (of 0 to 2): seed=1: not finished; the sweep stops here" in done.err
    assert done.err.endswith("error: diverged\n  lower the step\n")


@pytest.mark.slow
def test_a_finished_run_is_not_overwritten(fewrec: "Call", jobs: "Jobs") -> None:
    assert fewrec("train", "hydra.run.dir=here").code == 0
    done = fewrec("train", "hydra.run.dir=here")
    assert done.code == 2
    assert "holds a finished run already" in done.err
    assert (Path("here") / "metrics.json").exists()


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_told(fewrec: "Call", jobs: "Jobs") -> None:
    Path("taken").write_text("a file")
    done = fewrec("train", "hydra.run.dir=taken/run")
    assert done.code == 2
    assert done.err.startswith("error: cannot create the folder taken")


class Closed:
    """A stdout whose reader has gone."""

    def __init__(self, descriptor: int) -> None:
        self.fileno = lambda: descriptor

    def isatty(self) -> bool:
        return False

    def flush(self) -> None: ...

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("line", ["train", "train -m seed=0,1", "train --cfg job", "list"])
@pytest.mark.slow
def test_a_closed_stdout_ends_the_command_quietly(
    line: str, fewrec: "Call", jobs: "Jobs", folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "elsewhere").open("w") as file:
        monkeypatch.setattr(sys, "stdout", Closed(file.fileno()))
        done = fewrec(*line.split())
    assert done.code == 141
    assert "rror" not in done.err


@pytest.mark.slow
def test_a_missing_import_of_a_users_module_is_told_with_its_line(
    fewrec: "Call", jobs: "Jobs", folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine_of_import_test.py").write_text("import os\nimport not_there_at_all\n")
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(InstantiationException) as told:
        instantiate({"_target_": "mine_of_import_test.Mine"})
    jobs.fault = told.value
    done = fewrec("train")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: mine_of_import_test.py, line 2: there is no module 'not_there_at_all' to import\n"
        "  install not_there_at_all, or mend the import\n"
    )


def test_a_fault_inside_a_constructor_comes_out_of_hydras() -> None:
    with pytest.raises(InstantiationException) as told:
        instantiate({"_target_": "builtins.int", "_args_": ["x"]})
    assert isinstance(unwrapped(told.value), ValueError)
    assert unwrapped(plain := KeyError("x")) is plain


def test_a_job_that_must_import_the_pipeline_says_so_first(
    fewrec: "Call", jobs: "Jobs", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "fewrec_cli.experiment.pipeline")
    monkeypatch.setattr("fewrec_cli.cli.compose.load", lambda _: jobs.train)
    assert fewrec("train").err.splitlines()[0] == "loading torch and Lightning"


def test_the_config_is_printed_without_running(fewrec: "Call", jobs: "Jobs") -> None:
    done = fewrec("train", "strategy=reptile", "--cfg", "job", "-p", "strategy", "seed=3")
    assert "_target_: fewrec_cli.strategy.reptile.Reptile" in done.out
    assert not jobs.configs


@pytest.mark.slow
def test_a_users_folder_brings_options_and_classes(
    fewrec: "Call", jobs: "Jobs", folder: Path
) -> None:
    (folder / "my" / "strategy").mkdir(parents=True)
    (folder / "my" / "my_strategy_of_test.py").write_text(
        "class Mine:\n    def __init__(self, *, adapter, augment, depth: int) -> None: ...\n"
    )
    (folder / "my" / "strategy" / "mine.yaml").write_text(
        "defaults: [{adapter: none}, {augment: []}, _self_]\n"
        "_target_: my_strategy_of_test.Mine\ndepth: 2\naugment: {}\n"
    )
    right = fewrec("train", "strategy=mine", "--config-dir", "my", "strategy.depth=3")
    wrong = fewrec("train", "--config-dir", "my", "strategy=mine", "strategy.depth=x")
    assert right.code == 0, right.err
    assert jobs.configs[0]["strategy"]["depth"] == 3
    assert "strategy.depth must be a whole number, got 'x'" in wrong.err
