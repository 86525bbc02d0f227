"""The config against signatures: every fault at once, users' classes included."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import Faults, FewrecError
from fewrec_cli.experiment.check import check
from fewrec_cli.experiment.signature import definition, imported, parsed

CLASSES = '''
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Optional, Union

Order = Literal["first", "second"]


class Colour(Enum):
    RED = 1


class Base:
    def __init__(self, *, size: int) -> None: ...


class Inherits(Base):
    """Takes what its base takes."""


@dataclass
class Fields:
    size: int
    name: str = "x"


class Open:
    def __init__(self, size: int, **more: object) -> None: ...


class Typed:
    def __init__(
        self,
        *,
        whole: int = 1,
        number: float = 1.0,
        flag: bool = True,
        text: str = "",
        order: Order = "first",
        maybe: int | None = None,
        old: Optional[int] = None,
        either: Union[int, str] = 1,
        quoted: "int | None" = None,
        many: Sequence[int | Literal["all"]] = (),
        pair: tuple[int, float] = (1, 1.0),
        row: tuple[int, ...] = (),
        table: Mapping[str, int] | None = None,
        part: Base | None = None,
        colour: Colour = Colour.RED,
        free=None,
    ) -> None: ...
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's module on the import path, never imported."""
    (tmp_path / "users_classes.py").write_text(CLASSES)
    (tmp_path / "users_package").mkdir()
    (tmp_path / "users_package" / "__init__.py").write_text("from .inner import Thing as Renamed\n")
    (tmp_path / "users_package" / "inner.py").write_text(
        "raise RuntimeError('imported')\n\n\ndef Thing(*, size: int): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for cached in (definition, imported, parsed):
        cached.cache_clear()
    yield "users_classes"
    for cached in (definition, imported, parsed):
        cached.cache_clear()


def told(groups: dict[str, Any], *words: str, adapter: str = "gradient") -> list[str]:
    """Return the problems that the check names."""
    return [fault.problem for fault in faults(groups, *words, adapter=adapter)]


def faults(
    groups: dict[str, Any], *words: str, adapter: str = "gradient"
) -> tuple[FewrecError, ...]:
    """Return what the check finds."""
    cfg = OmegaConf.create({"seed": 0, "threads": 1, "resume": None, **groups})
    texts = {"gradient": "inner_lr: ${..inner_lr}\n", "ridge": "penalty: 1\n"}
    assert isinstance(cfg, DictConfig)
    try:
        check(cfg, words, adapter, lambda _: texts)
    except Faults as found:
        return tuple(found.faults)
    return ()


@pytest.mark.parametrize("name", ["Inherits", "Base", "Fields", "Open"])
def test_a_right_config_passes(name: str, module: str) -> None:
    assert told({"data": {"_target_": f"{module}.{name}", "size": 3}}) == []


@pytest.mark.parametrize("name", ["Inherits", "Base", "Fields", "Open"])
def test_missing_and_wrong_values_are_told(name: str, module: str) -> None:
    target = f"{module}.{name}"
    assert told({"data": {"_target_": target}}) == ["data.size is missing"]
    assert told({"data": {"_target_": target, "size": "???"}}) == ["data.size has no value"]
    assert told({"data": {"_target_": target, "size": "a"}}) == [
        "data.size must be a whole number, got 'a'"
    ]


def test_unknown_keys_are_read_by_nothing_unless_the_class_takes_any(module: str) -> None:
    extra = {"size": 1, "colr": 2}
    assert told({"data": {"_target_": f"{module}.Base", **extra}}) == [
        "data.colr is read by nothing"
    ]
    assert told({"data": {"_target_": f"{module}.Open", **extra}}) == []


def test_reexports_are_followed_without_importing(module: str) -> None:
    assert told({"data": {"_target_": "users_package.Renamed", "size": 1}}) == []
    assert told({"data": {"_target_": "users_package.Renamed", "siz": 1}}) == [
        "data.siz is read by nothing",
        "data.size is missing",
    ]


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("whole", [0, -3], [1.0, True, "1", None, [1]]),
        ("number", [0, 1.5], [False, "1.5", None]),
        ("flag", [True, False], [0, "true"]),
        ("text", ["", "a"], [1, None]),
        ("order", ["first", "second"], ["third", 1, None]),
        ("maybe", [None, 1], ["a", 1.5]),
        ("old", [None, 1], ["a"]),
        ("either", [1, "a"], [1.5, None]),
        ("quoted", [None, 1], ["a"]),
        ("many", [[], [1, "all"]], [1, "all", [1.5], ["none"]]),
        ("pair", [[1, 2.5]], [[1], [1, 2, 3], ["a", 1.0]]),
        ("row", [[], [1, 2, 3]], [[1.5], 1]),
        ("table", [None, {"a": 1}], [1, "a", [1]]),
        ("part", [None, {"_target_": "users_classes.Base", "size": 1}], ["base", 3]),
        ("colour", ["RED"], []),
        ("free", [None, 1, "a", [1], {"a": 1}], []),
    ],
)
def test_values_are_held_to_annotations(
    key: str, right: list[object], wrong: list[object], module: str
) -> None:
    target = f"{module}.Typed"
    for value in right:
        assert told({"data": {"_target_": target, key: value}}) == []
    for value in wrong:
        faults = told({"data": {"_target_": target, key: value}})
        assert len(faults) == 1, value
        assert faults[0].startswith(f"data.{key} must be ")


@pytest.mark.parametrize(("value", "written"), [(1, "[1]"), ("all", "[all]")])
def test_a_list_of_one_without_brackets_is_told_with_them(
    value: object, written: str, module: str
) -> None:
    (fault,) = faults({"data": {"_target_": f"{module}.Typed", "many": value}})
    assert fault.remedy == f"write data.many={written}"


def test_nested_parts_are_checked_and_partial_ones_may_lack_arguments(module: str) -> None:
    inner = {"_target_": f"{module}.Base", "siz": 1}
    outer = {"_target_": f"{module}.Typed", "part": inner}
    assert told({"strategy": outer}) == [
        "strategy.part.siz is read by nothing",
        "strategy.part.size is missing",
    ]
    phases = {"one": {"_target_": f"{module}.Base", "_partial_": True}}
    assert told({"strategy": {"_target_": f"{module}.Typed", "free": phases}}) == []


@pytest.mark.parametrize("target", ["nowhere.Thing", "users_classes.Thing", "Thing"])
def test_a_target_that_is_not_there_is_told(target: str, module: str) -> None:
    (problem,) = told({"data": {"_target_": target}})
    assert problem.startswith(f"data._target_ {target}: no")


def test_broken_python_is_told_with_its_line(module: str, tmp_path: Path) -> None:
    (tmp_path / "users_broken.py").write_text("x = 1\ndef f(:\n")
    (problem,) = told({"data": {"_target_": "users_broken.f"}})
    assert "users_broken.py, line 2" in problem


def test_the_roots_own_keys_are_typed() -> None:
    assert told({"seed": "a", "threads": 0, "resume": 3}) == [
        "seed must be a whole number, got 'a'",
        "resume must be text or null, got 3",
        "threads must be 1 or more, got 0",
    ]


def test_a_root_key_is_refused_unless_something_refers_to_it(module: str) -> None:
    data = {"_target_": f"{module}.Base", "size": "${points}"}
    assert told({"points": 3}) == ["points is read by nothing"]
    assert told({"points": 3, "data": data}) == []


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("scenario", {"shots": -1}),
        ("scenario", {"query": 0}),
        ("scenario", {"draws": 0}),
        ("scenario", {"fraction": 0}),
        ("scenario", {"fraction": 1.0}),
        ("scenario", {"validation": 1.5}),
        ("scenario", {"curve": [0, -1]}),
        ("scenario", {"min_interactions": 0}),
        ("evaluation", {"k": []}),
        ("evaluation", {"k": [1, 0]}),
        ("strategy", {"inner_steps": -1}),
        ("strategy", {"inner_lr": 0.0}),
    ],
)
def test_values_outside_their_range_are_told(group: str, values: dict[str, Any]) -> None:
    (problem,) = told({group: values})
    assert problem.startswith(f"{group}.{next(iter(values))} ")


def test_values_at_the_edge_of_their_range_pass() -> None:
    scenario = {"shots": 0, "query": 1, "draws": 1, "validation": None, "curve": [0, "all"]}
    assert told({"scenario": scenario, "evaluation": {"k": [1]}}) == []
    assert told({"scenario": {"shots": "all"}, "strategy": {"inner_steps": 0}}) == []


def test_a_word_that_the_adapter_does_not_take_is_refused_by_name() -> None:
    strategy = {"inner_lr": 0.1, "adapter": {"penalty": 1}}
    word = "strategy.inner_lr=0.1"
    assert told({"strategy": strategy}, word, adapter="ridge") == [
        "strategy.inner_lr is read by strategy/adapter=gradient only, not by ridge"
    ]
    assert told({"strategy": strategy}, adapter="ridge") == []
    gradient = {"inner_lr": 0.1, "adapter": {"inner_lr": "${..inner_lr}"}}
    assert told({"strategy": gradient}, word) == []


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        ("maml.MAML", "leave it out, or choose strategy/adapter=gradient"),
        ("meta_ridge.MetaRidge", "leave it out"),
    ],
)
def test_no_adapter_is_advised_that_the_strategy_would_refuse(target: str, remedy: str) -> None:
    parts = "fewrec_cli.strategy"
    strategy = {
        "_target_": f"{parts}.{target}", "_partial_": True, "inner_lr": 0.1,
        "adapter": {"_target_": f"{parts}.adapter.ridge.Ridge", "_partial_": True},
    }  # fmt: skip
    (fault,) = faults({"strategy": strategy}, "strategy.inner_lr=0.1", adapter="ridge")
    assert fault.remedy == remedy


def test_lightnings_trainer_is_read_when_its_words_are_touched() -> None:
    trainer = {"_target_": "pytorch_lightning.Trainer", "limit_train_batches": 5, "foo": 1}
    assert told({"trainer": trainer}, "+trainer.foo=1") == ["trainer.foo is read by nothing"]
    trainer = {"_target_": "pytorch_lightning.Trainer", "devices": 1, "max_steps": "a"}
    assert told({"trainer": trainer}, "trainer.max_steps=a") == [
        "trainer.max_steps must be a whole number, got 'a'"
    ]


def test_a_reference_to_nothing_is_told(module: str) -> None:
    data = {"_target_": f"{module}.Base", "size": "${nothing.here}"}
    (problem,) = told({"data": data})
    assert problem.startswith("data.size: Interpolation key 'nothing.here' not found")


DDP = "ddp_find_unused_parameters_true"


@pytest.mark.parametrize(
    ("trainer", "problem"),
    [
        ({"devices": 2, "strategy": "auto"}, "trainer.devices=2 needs trainer.strategy="),
        ({"devices": [0, 1], "strategy": "ddp"}, "trainer.devices=[0, 1] needs trainer.strategy="),
        ({"devices": "2", "strategy": "auto"}, "trainer.devices=2 needs trainer.strategy="),
        (
            {"devices": 9999, "strategy": DDP, "accelerator": "cpu"},
            "trainer.devices=9999 asks for as many processes",
        ),
        ({"precision": "64-true"}, "trainer.precision is 64-true, and this version computes in"),
        ({"precision": "foo"}, "trainer.precision is foo, and this version computes in"),
    ],
)
def test_a_trainer_that_cannot_work_is_refused(trainer: dict[str, Any], problem: str) -> None:
    (told_,) = told({"trainer": trainer})
    assert told_.startswith(problem)


def test_a_trainer_that_works_passes() -> None:
    for trainer in (
        {"devices": 2, "strategy": DDP, "accelerator": "cpu", "precision": 32},
        {"devices": -1, "strategy": DDP, "precision": "32-true"},
        {"devices": "auto", "strategy": "auto"},
        {"devices": 1, "strategy": "auto"},
    ):
        assert told({"trainer": trainer}) == []


@pytest.mark.parametrize("support", [[5], [64, 1], [1, 2, 3], [1.5, 2]])
def test_the_support_of_an_episode_is_two_numbers_ascending(support: list[float]) -> None:
    phases = {"maml": {"support": support}}
    assert told({"strategy": {"support": support}})[0].startswith("strategy.support must be the ")
    assert told({"strategy": {"phases": phases}})[0].startswith("strategy.phases.maml.support must")
    assert told({"strategy": {"support": [4, 4]}}) == []


def test_reptile_is_refused_with_an_adapter_that_adapts_nothing() -> None:
    parts = "fewrec_cli.strategy"
    adapter = {"_target_": f"{parts}.adapter.none.Unadapted"}
    cfg = {"_target_": f"{parts}.reptile.Reptile", "_partial_": True, "adapter": adapter}
    assert told({"strategy": cfg}) == [
        "strategy=reptile learns only what its adapter adapts, and adapter none adapts nothing"
    ]


def test_a_version_without_a_scale_is_no_version() -> None:
    scales = {"100k": [1, 5], "1m": [1, 5]}
    assert told({"data": {"version": "100k", "scales": scales}}) == []
    for wrong in (100, "100"):
        assert told({"data": {"version": wrong, "scales": scales}}) == [
            "data.version is 100, no version of the data"
        ]
