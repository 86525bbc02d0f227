"""Every mistake ends in two lines that name it and say what to do, before any work."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Call, Jobs

MISTAKES = {
    "trian": ("no command 'trian'", "did you mean 'train'?"),
    "--verson": ("no flag '--verson'", "did you mean '--version'?"),
    "train strategy=mamll": ("no strategy 'mamll'; did you mean 'maml'?", "others: anil"),
    "train strateg=maml": ("no group or key 'strateg'", "did you mean strategy=maml?"),
    "train strategy.iner_lr=1": (
        "strategy.iner_lr is not an option of strategy=maml",
        "did you mean strategy.inner_lr?   (all options: fewrec train strategy=maml --cfg job "
        "-p strategy)",
    ),
    "train +foo=1": ("foo is read by nothing", "leave it out"),
    "train +strategy.foo=1": ("strategy.foo is read by nothing", ""),
    "train +trainer.foo=1": ("trainer.foo is read by nothing", ""),
    "train seed=a": ("seed must be a whole number, got 'a'", "write seed=VALUE"),
    "train seed": ("seed lacks its value", "write seed=VALUE (now seed=0)"),
    "train strategy": ("strategy lacks its value", "write strategy=OPTION, one of: anil"),
    "train maml": ("'maml' is no word=value", "did you mean strategy=maml?"),
    "train strategy.adapter=ridge": (
        "strategy.adapter is a group",
        "did you mean strategy/adapter=ridge?",
    ),
    "train strategy/adapter=ridge strategy.inner_lr=0.2": (
        "strategy.inner_lr is read by strategy/adapter=gradient only, not by ridge",
        "leave it out, or choose strategy/adapter=gradient",
    ),
    "train strategy.order=third": ("strategy.order must be one of first, second, got 'third'", ""),
    "train scenario.shots=-1": ("scenario.shots must be 0 or more, or all, got -1", "0 scores"),
    "train evaluation.k=[5,0]": ("evaluation.k must hold values 1 or more, got 0", ""),
    "train seed=0,1": ("seed is given several values: 0,1", "add -m to run each"),
    "train scenario.curve=0,5": ("scenario.curve is given several", "scenario.curve=[0,5]"),
    "train scenario.curve=[0,5": ("the brackets of scenario.curve do not close", ""),
    "train =3": ("'=3' lacks its key", ""),
    "train +strategy=maml": ("strategy is chosen already", "write strategy=maml"),
    "train hydra/launcher=jobli": ("no config 'hydra/launcher/jobli'", "one of: basic"),
    "train hydra.swep.dir=x": ("hydra.swep.dir is not an option of Hydra", ""),
    "train data.users=x(y": ("the value of data.users needs quotes, got x(y", "'x(y'"),
    "train --cgf job": ("no flag --cgf", "did you mean '--cfg'?"),
    "train --cfg jop": ("--cfg cannot be 'jop'", "did you mean 'job'?"),
    "train --cfg": ("--cfg lacks its value", "write --cfg job"),
    "train --cfg job -p strateg": ("--package strateg: the config has no such part", "'strategy'?"),
    "train -p strategy": ("--package shows nothing without --cfg", "add --cfg job, or leave"),
    "train --resolve": ("--resolve shows nothing without --cfg", "add --cfg job, or leave"),
    "train --foo": ("no flag --foo", "see fewrec train --help"),
    "train ~logger": ("~logger takes away what every run needs", "choose logger=OPTION, one of: "),
    "train ~strategy": ("~strategy takes away what every run needs", "one of: anil, "),
    "train ~seed": ("~seed takes away what every run needs", "write seed=VALUE"),
    "train shots=3": ("no group or key 'shots'", "did you mean scenario.shots?"),
    "train trainer.foo=1": ("trainer.foo is not an option of trainer=auto", "  all options: "),
    "train trainer.limit_train_batch=1": (
        "trainer.limit_train_batch is not an option of trainer=auto",
        "did you mean trainer.limit_train_batches?",
    ),
    "train data=table data.interactions=x data.ratings=r": (
        "data.ratings is not an option of data=table",
        "did you mean data.columns.rating?",
    ),
    "train data=table data.interactions=x data.knds.title=ignore": (
        "data.knds.title is not an option of data=table",
        "",
    ),
    "train strategy.augment.nois.sd=1": ("strategy.augment.nois.sd is not an option of", ""),
    "train strategy.phases.maml.epochs=1": ("strategy.phases.maml.epochs is not an option", ""),
    "train data=movielens data.version=100": (
        "data.version is 100, no version of the data",
        "one of: 100k, 1m, ",
    ),
    "train trainer.precision=foo": (
        "trainer.precision is foo, and this version computes in 32-true only",
        "leave trainer.precision out",
    ),
    "train trainer=cpu trainer.devices=2": (
        "trainer.devices=2 needs trainer.strategy=ddp_find_unused_parameters_true, not auto",
        "trainer=cpu_ddp",
    ),
    "train data=pair data/target=pair": (
        "data/target=pair: a pair joins two data sets, and is no part of another",
        "choose another data/target",
    ),
    "train strategy.support=[64,1]": ("strategy.support must be the smallest and the largest", ""),
    "train -m strategy=maml,reptile strategy/adapter=gradient,none": (
        "strategy=reptile learns only what its adapter adapts",
        "choose strategy/adapter=gradient or ridge",
    ),
    "train -m strategy/augment=[noise],[mixp]": (
        "no strategy/augment 'mixp'; did you mean 'mixup'?",
        "others: drop, noise",
    ),
    "train backbone=bert backbone.score=cross backbone.tuned=lorra": (
        "backbone.tuned=lorra is nothing that can be tuned",
        "choose frozen, head, bias, last:N",
    ),
    "train backbone=bert backbone.weights=scratch backbone.tuned=lora": (
        "backbone.tuned=lora: backbone.score=encoder reads each text once",
        "take backbone.score=cross",
    ),
    "train backbone=gpt2 backbone.score=cross backbone.tuned=adalora strategy=reptile": (
        "backbone.tuned=adalora moves its ranks along one training on rows",
        "take backbone.tuned=lora, or strategy=transfer",
    ),
    "train backbone=gpt2 backbone.score=prompt backbone.prompt='{item}?'": (
        "backbone.prompt='{item}?' must name {item} and {answer} once",
        "e.g. 'User: {user}",
    ),
    "train backbone=gpt2 backbone.score=prompt backbone.verbalizers=[Yes]": (
        "backbone.verbalizers has 1 words",
        "give two",
    ),
    "train backbone=gpt2 backbone.pretrain=mlm": (
        "backbone.pretrain=mlm is for bert models, and backbone=gpt2 is a gpt2",
        "take backbone.pretrain=causal",
    ),
    "train backbone=gpt2 backbone.max_tokens=2": ("backbone.max_tokens must be 4 or more", ""),
    "train backbone=gpt2 backbone.weights=/nowhere": (
        "backbone.weights=/nowhere: no such folder",
        "name the folder that holds config.json",
    ),
    "train backbone=gpt2 backbone.weights=nobody/no-such-model": (
        "backbone.weights=nobody/no-such-model is not on this machine",
        "fetch it with backbone.download=true",
    ),
    "train data=movielens data.text=nowhere.parquet": (
        "data.text: no file nowhere.parquet",
        "data.text=auto",
    ),
    "train --cfg job -m": ("--cfg and --multirun do not go together", "keep one"),
    "train --config-name trian": ("--config-name trian: no such root config", "'train'?"),
    "train --config-dir nowhere": ("--config-dir ", "give the folder that holds"),
    "evaluate": ("evaluate lacks the run to score", "write run=FOLDER"),
    "evaluate run=nowhere": ("no run folder nowhere", ""),
    "evaluate run=/dev/null": ("/dev/null is a file, not a run folder", "the last line"),
    "evaluate run=a run=b": ("evaluate scores one run at a time, got 2: run=a run=b", "keep one"),
    "evaluate runA": ("evaluate lacks the run to score", "did you mean run=runA?"),
    "list strateg": ("no group 'strateg'", "did you mean 'strategy'?"),
    "show strategy=mamll": ("no strategy 'mamll'", "did you mean 'maml'?"),
    "show maml": ("no group 'maml'", "did you mean strategy=maml?"),
    "data chekc": ("data cannot 'chekc'", "write fewrec data check data=..."),
    "completion fsh": ("no completion for 'fsh'", "did you mean 'fish'?"),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_two_lines(line: str, fewrec: "Call", jobs: "Jobs") -> None:
    problem, remedy = MISTAKES[line]
    done = fewrec(*line.split())
    first, second, *more = done.err.splitlines()
    assert done.code == 2
    assert first.startswith(f"error: {problem}")
    assert second.startswith("  ")
    assert remedy in second
    assert not more
    assert done.out == ""
    assert not jobs.configs
    assert not any(Path.cwd().iterdir())


def test_several_mistakes_are_told_together(fewrec: "Call", jobs: "Jobs") -> None:
    words = ["strategy=mamll", "strategy.iner_lr=1", "seed=a", "+foo=1", "scenario.fraction=2"]
    done = fewrec("train", *words)
    told = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert [line.split()[1] for line in told] == [
        "no",
        "strategy.iner_lr",
        "seed",
        "foo",
        "scenario.fraction",
    ]
    assert done.code == 2


@pytest.mark.slow
def test_a_wrong_value_in_a_sweep_is_told_before_the_first_job(
    fewrec: "Call", jobs: "Jobs"
) -> None:
    option = fewrec("train", "strategy=maml,mamll", "-m")
    value = fewrec("train", "-m", "scenario.query=5,0")
    assert "no strategy 'mamll'" in option.err
    assert "scenario.query must be 1 or more, got 0" in value.err
    assert (option.code, value.code) == (2, 2)
    assert not jobs.configs


@pytest.mark.parametrize(
    "value", ["my folder", "'x[1](2)'", '"it is, so"', "'a=ä/ö'", "C:/x-y_z.1"]
)
def test_values_with_spaces_or_brackets_work(value: str, fewrec: "Call", jobs: "Jobs") -> None:
    done = fewrec("train", f"resume={value}")
    assert done.code == 0, done.err
    assert jobs.configs[0]["resume"] == value.strip("'\"")


@pytest.mark.slow
def test_the_quoted_form_that_an_error_prints_is_accepted(fewrec: "Call", jobs: "Jobs") -> None:
    refused = fewrec("train", "resume=runs (old), [1]")
    quoted = refused.err.splitlines()[1].removeprefix("  write ").strip('"')
    assert fewrec("train", quoted).code == 0
    assert jobs.configs[0]["resume"] == "runs (old), [1]"


@pytest.mark.slow
def test_lightnings_own_arguments_pass(fewrec: "Call", jobs: "Jobs") -> None:
    done = fewrec("train", "trainer=cpu", "+trainer.limit_train_batches=5")
    assert done.code == 0, done.err
    assert jobs.configs[0]["trainer"]["limit_train_batches"] == 5


@pytest.mark.slow
def test_debug_anywhere_shows_the_traceback(fewrec: "Call", jobs: "Jobs") -> None:
    for words in (["--debug", "train", "seed=a"], ["train", "--debug", "seed=a"]):
        shown = fewrec(*words).err
        assert "Traceback" in shown
        assert "error: seed must be a whole number" in shown


@pytest.mark.parametrize("command", ["report", "table", "show"])
def test_debug_goes_with_every_command(command: str, fewrec: "Call") -> None:
    told = fewrec(command, "nothing-there", "--debug").err
    assert "Traceback" in told
    assert "nothing-there" in told.splitlines()[-2]


@pytest.mark.slow
def test_a_key_of_a_users_own_root_config_may_serve_other_keys(
    fewrec: "Call", jobs: "Jobs", folder: Path
) -> None:
    mine = folder / "my"
    mine.mkdir()
    (mine / "mine.yaml").write_text(
        "defaults: [train, _self_]\npoints: 3\nscenario: {shots: '${points}'}\n"
    )
    done = fewrec("train", "--config-dir", "my", "--config-name", "mine", "points=7")
    assert done.code == 0, done.err
    config: Any = jobs.configs[0]
    assert config["scenario"]["shots"] == 7


@pytest.mark.slow
def test_lists_of_options_can_be_swept(fewrec: "Call", jobs: "Jobs") -> None:
    done = fewrec("train", "-m", "strategy/augment=[noise],[mixup,drop],[]")
    assert done.code == 0, done.err
    chosen = [sorted(config["strategy"]["augment"]) for config in jobs.configs]
    assert chosen == [["noise"], ["drop", "mixup"], []]


@pytest.mark.slow
@pytest.mark.parametrize("word", ["data.kinds={title:ignore}", "data.kinds.title=ignore"])
def test_an_open_mapping_takes_any_key(word: str, fewrec: "Call", jobs: "Jobs") -> None:
    done = fewrec("train", "data=table", "data.interactions=x.csv", word)
    assert done.code == 0, done.err
    assert jobs.configs[0]["data"]["kinds"] == {"title": "ignore"}


@pytest.mark.slow
def test_lightnings_arguments_need_no_plus(fewrec: "Call", jobs: "Jobs") -> None:
    assert fewrec("train", "-m", "trainer.limit_train_batches=3", "seed=0,1").code == 0
    assert [config["trainer"]["limit_train_batches"] for config in jobs.configs] == [3, 3]


def test_broken_yaml_of_the_users_is_told_with_its_line(
    fewrec: "Call", jobs: "Jobs", folder: Path
) -> None:
    (folder / "my" / "strategy").mkdir(parents=True)
    (folder / "my" / "strategy" / "mine.yaml").write_text("a: [1\nb: 2\n")
    done = fewrec("train", "--config-dir", "my", "strategy=mine")
    first, second = done.err.splitlines()
    assert done.code == 2
    assert first.startswith("error: ")
    assert "mine.yaml, line 2: this is no YAML" in first
    assert second == "  mend that line"


def test_an_option_without_a_comment_is_shown_with_its_classs_line(fewrec: "Call") -> None:
    assert fewrec("show", "data=table").out.startswith("# ")
    assert fewrec("show", "data=table").out.splitlines()[1].startswith("_target_: ")
    assert fewrec("show", "strategy=maml").out.startswith("# meta-training")
