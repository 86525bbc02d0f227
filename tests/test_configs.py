"""Every option of every group composes, matches its class, and runs one tiny step."""

import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

import fewrec_cli
from fewrec_cli.cli.resolve import config_hash
from fewrec_cli.cli.table.read import read_spec
from fewrec_cli.cli.table.smoke import WORDS, generated
from fewrec_cli.cli.table.words import over
from fewrec_cli.core.errors import FewrecError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.strategy.words import ASIDE
from tests.command import fewrec
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed
from tests.words import words_of

ROOT = Path(fewrec_cli.__file__).parent.parent
CONFIGS = ROOT / "configs"
PRESETS = {"trainer", "logger", "sweep", "experiment"}  # no class of ours stands behind these
MIRRORED = {"data", "scenario", "backbone", "strategy", "strategy/adapter", "strategy/augment"}
GIVEN_BY_CODE = {"adapter", "augment", "augment_weight"}  # to strategies inside a strategy
SETTINGS_OF = {("strategy", "anil"): "maml", ("strategy", "meta_sgd"): "maml"}  # of that class
LANGUAGE = {"bert", "gpt2", "hybrid"}
OF_LANGUAGE = {"generate": "gpt2", "prompt": "bert"}  # strategies that a language model answers for
AS_A_PAIR = {"prompt": "backbone.score=cross"}  # it reads users and items together
SHRUNK_LANGUAGE = (
    "backbone.weights=scratch",
    "backbone.scratch.layers=1",
    "backbone.scratch.width=16",
    "backbone.scratch.vocabulary=400",
)
REFUSED = (  # in two lines
    {"strategy=reptile", "strategy/adapter=none"},
    {"strategy=meta_ridge", "strategy/adapter=none"},
    {"strategy=meta_ridge", "strategy/adapter=gradient"},
)
OF_ONE_DATA_SET = {"melu", "metahin", "migration"}  # of certain data: their own tests run them
OF_FINISHED_RUNS = {"blend"}  # likewise
HYDRAS_OWN = {"_target_", "_partial_", "_convert_", "_recursive_", "defaults"}


def options(*groups: str) -> list[tuple[str, str]]:
    """Return (group, option) of every yaml below a folder, of the named groups if any."""
    found = [
        (path.parent.relative_to(CONFIGS).as_posix(), path.stem)
        for path in sorted(CONFIGS.rglob("*.yaml"))
        if path.parent != CONFIGS
    ]
    return [one for one in found if not groups or one[0] in groups]


def names(group: str) -> list[str]:
    """Return the options of one group."""
    return [option for _, option in options(group)]


ALL = options()
OURS = [(group, option) for group, option in ALL if group not in PRESETS]
MIRROR = options(*MIRRORED)


def named(pairs: list[tuple[str, str]]) -> Any:
    """Parametrise a test over options, each under the word a user types."""
    return pytest.mark.parametrize(("group", "option"), pairs, ids=["=".join(p) for p in pairs])


def word(group: str, option: str) -> str:
    """Return what chooses the option on the command line."""
    return f"{group}=[{option}]" if group == "strategy/augment" else f"{group}={option}"


def raw(group: str, option: str) -> DictConfig:
    """Return the yaml as it stands in the file."""
    node = OmegaConf.load(CONFIGS / group / f"{option}.yaml")
    assert isinstance(node, DictConfig)
    return node


def target(path: str) -> Any:
    """Import what a ``_target_`` names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def nodes(node: Any) -> Iterator[DictConfig]:
    """Yield every part of a config that has a ``_target_``."""
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield node
        for key in node:
            if not OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key):
                yield from nodes(node[key])


def test_every_group_is_known_to_these_tests() -> None:
    assert {group for group, _ in ALL} == MIRRORED | PRESETS | {"evaluation"}


@named(ALL)
def test_option_composes(group: str, option: str) -> None:
    assert composed(word(group, option))


@named([pair for pair in ALL if pair[0] not in {"sweep", "experiment"}])
def test_every_target_can_be_imported(group: str, option: str) -> None:
    found = list(nodes(raw(group, option)))
    assert found or (group, option) == ("logger", "none")
    for node in found:
        assert callable(target(node["_target_"]))


@named(OURS)
def test_keys_are_the_constructor_s_words_in_its_order(group: str, option: str) -> None:
    for depth, node in enumerate(nodes(raw(group, option))):
        expected = list(words_of(target(node["_target_"])))
        keys = [str(key) for key in node if key not in HYDRAS_OWN]
        if group == "strategy" and depth == 0:
            keys = [key for key in keys if key not in ASIDE]
            assert any("adapter" in entry for entry in node["defaults"]), "no adapter in defaults"
            expected = [name for name in expected if name != "adapter"]
        elif depth == 0:
            expected = [name for name in expected if name not in places(node)]
        elif group == "strategy":
            expected = [name for name in expected if name not in GIVEN_BY_CODE]
        assert keys == expected


def places(node: DictConfig) -> set[str]:
    """Return the keys that a yaml fills with another option: ``source`` of ``/data@source``."""
    entries = (
        str(key) for entry in node.get("defaults", []) for key in getattr(entry, "keys", list)()
    )
    return {entry.partition("@")[2] for entry in entries if "@" in entry}


@named(OURS)
def test_constructor_takes_keywords_without_defaults(group: str, option: str) -> None:
    for node in nodes(raw(group, option)):
        for one in words_of(target(node["_target_"])).values():
            assert one.kind is inspect.Parameter.KEYWORD_ONLY, f"{one.name} is not keyword-only"
            assert one.default is inspect.Parameter.empty, f"{one.name} has a default in code"
            assert one.annotation is not inspect.Parameter.empty, f"{one.name} has no type"


@named(options("trainer", "logger"))
def test_keys_of_presets_fit_lightning_s_signature(group: str, option: str) -> None:
    for node in nodes(raw(group, option)):
        keys = {str(key): None for key in node if key not in HYDRAS_OWN}
        inspect.signature(target(node["_target_"])).bind_partial(**keys)


@named(OURS)
def test_every_value_has_a_trailing_comment(group: str, option: str) -> None:
    lines = (CONFIGS / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    values = [line for line in lines if re.match(r" *\w+: *[^ #]", line)]
    bare = [line for line in values if " # " not in line and line.split(":")[0].strip()[0] != "_"]
    assert not bare


@named(ALL)
def test_option_says_in_one_line_what_it_is(group: str, option: str) -> None:
    """The first comment of the file is what ``fewrec list`` shows; else the class's docstring."""
    lines = (CONFIGS / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ") and "@package" not in line]
    assert comments or inspect.getdoc(target(raw(group, option)["_target_"]))


@named(MIRROR)
def test_option_has_a_module_and_a_test_of_its_name(group: str, option: str) -> None:
    word = SETTINGS_OF.get((group, option), option)
    module = ROOT / "fewrec_cli" / group / f"{word}.py"
    assert module.is_file()
    assert target(raw(group, option)["_target_"]).__module__ == ".".join(
        ["fewrec_cli", *group.split("/"), word]
    )
    assert (ROOT / "tests" / group / f"test_{option}.py").is_file()


@named(options("strategy/augment"))
def test_augmentations_have_a_package_of_their_own(group: str, option: str) -> None:
    first = (CONFIGS / group / f"{option}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# @package strategy.augment.{option}"


def test_augmentations_compose_with_one_another_and_switch_off() -> None:
    both = composed("strategy=maml", "strategy/augment=[noise,mixup]").strategy.augment
    assert list(both) == ["noise", "mixup"]
    assert not composed("strategy=augmentation", "strategy/augment=[]").strategy.augment


def tiny_runs() -> Iterator[tuple[str, ...]]:
    """Yield the words of runs in which every pair of options of two parts meets once.

    The three parts are backbone, strategy and adapter; scenarios, augmentations and trainers go
    along in turn. Settings of another strategy's class meet their own adapter alone.
    """
    backbones, adapters = names("backbone"), names("strategy/adapter")
    turns = {group: names(group) for group in ("scenario", "strategy/augment")}
    turns["scenario"] = [name for name in turns["scenario"] if name not in OF_ONE_DATA_SET]
    pairs = product(names("strategy"), range(len(adapters)))
    for number, (strategy, adapter) in enumerate(pairs):
        if strategy in OF_FINISHED_RUNS:
            continue
        if ("strategy", strategy) in SETTINGS_OF and adapters[adapter] != "gradient":
            continue
        scenario = turns["scenario"][number % len(turns["scenario"])]
        augment = turns["strategy/augment"][number // 2 % len(turns["strategy/augment"])]
        backbone = OF_LANGUAGE.get(strategy, backbones[number % len(backbones)])
        yield (
            f"backbone={backbone}",
            *(SHRUNK_LANGUAGE if backbone in LANGUAGE else ()),
            *([AS_A_PAIR[strategy]] if strategy in AS_A_PAIR else ()),
            f"strategy={strategy}",
            f"strategy/adapter={adapters[adapter]}",
            f"scenario={scenario}",
            f"strategy/augment=[{augment}]" if number % 2 else "strategy/augment=[]",
        )


def run(words: tuple[str, ...], folder: Path) -> Any:
    """Run the real pipeline on generated data, two steps long."""
    from fewrec_cli.experiment.pipeline import train

    cfg = composed(*SHRUNK_RUN, *words)
    with Reporter(quiet=True) as reporter:
        return train(cfg, folder, reporter)


def check(folder: Path) -> None:
    """A finished run leaves its figures, and nothing half written."""
    assert (folder / "metrics.json").is_file()
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("words", list(tiny_runs()), ids=" ".join)
def test_parts_work_together(words: tuple[str, ...], tmp_path: Path) -> None:
    words = (*words, "data=synthetic", *SHRUNK_DATA)
    if any(set(words) > pair for pair in REFUSED):
        with pytest.raises(FewrecError, match="adapter"):
            run(words, tmp_path)
        return
    run(words, tmp_path)
    check(tmp_path)


def own_data(experiment: str) -> bool:
    """Return whether an experiment is on a split that was given with one data set."""
    chosen = (
        str(one) for entry in raw("experiment", experiment).defaults for one in entry.values()
    )
    return not OF_ONE_DATA_SET.isdisjoint(chosen)


EXPERIMENTS = [name for name in names("experiment") if not name.startswith("table-")]
TABLES = [name for name in names("experiment") if name.startswith("table-")]


@pytest.mark.parametrize("option", [name for name in EXPERIMENTS if not own_data(name)])
def test_experiment_runs_on_generated_data(option: str, tmp_path: Path) -> None:
    language = raw("experiment", option).defaults[2]["override /backbone"] in LANGUAGE
    shrunk = (*SHRUNK_DATA, *(SHRUNK_LANGUAGE if language else ()))
    run((f"experiment={option}", "data=synthetic", *shrunk), tmp_path)
    check(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("option", [name for name in EXPERIMENTS if own_data(name)])
def test_experiment_runs_on_its_own_data(option: str, tmp_path: Path, real_data: Path) -> None:
    run((f"experiment={option}", f"data.root='{real_data}'"), tmp_path)
    check(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("option", TABLES)
def test_a_table_s_experiment_is_its_first_row(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On data generated in the layouts of the real: ``fewrec train experiment=table-...``."""
    spec = read_spec(option, CONFIGS / "experiment" / f"{option}.yaml")
    for name, value in generated(tmp_path / "data").items():
        monkeypatch.setenv(name, value)
    (tmp_path / "run").mkdir()
    cfg = composed(f"experiment={option}", *WORDS, *spec.smoke)
    alone = composed(*over(spec.words, [group for group, _ in ALL], WORDS, spec.smoke))
    assert config_hash(cfg) == config_hash(alone)
    from fewrec_cli.experiment.pipeline import train

    with Reporter(quiet=True) as reporter:
        assert train(cfg, tmp_path / "run", reporter) is not None
    check(tmp_path / "run")
    assert "table" not in OmegaConf.load(tmp_path / "run" / "config.yaml")


def command_runs() -> Iterator[Any]:
    """Yield the presets that need the real command: trainers and loggers in turn, and sweeps."""
    shrunk = (*SHRUNK_DATA, *SHRUNK_RUN)
    loggers = names("logger")
    for number, trainer in enumerate(names("trainer")):
        words = (f"trainer={trainer}", f"logger={loggers[number % len(loggers)]}")
        mark = pytest.mark.gpu if trainer in {"gpu", "multi_gpu"} else pytest.mark.slow
        yield pytest.param((*shrunk, *words), 1, marks=mark, id=" ".join(words))
    for sweep in names("sweep"):
        ((axis, values),) = raw("sweep", sweep).hydra.sweeper.params.items()
        free = [word for word in shrunk if not word.startswith(f"{axis}=")]  # a word would win
        jobs = len(values.split(","))
        yield pytest.param(
            (*free, f"sweep={sweep}"), jobs, marks=pytest.mark.slow, id=f"sweep={sweep}"
        )


@pytest.mark.parametrize(("words", "jobs"), list(command_runs()))
def test_trainers_loggers_and_sweeps_run(words: tuple[str, ...], jobs: int, folder: Path) -> None:
    done = fewrec(["train", *words], folder)
    assert done.returncode == 0, done.stderr
    assert len(list(folder.rglob("metrics.json"))) == jobs
