"""Values that must fit each other, or this version; judged before any work and without torch."""

import os
from collections.abc import Callable, Iterator, Mapping

from fewrec_cli.experiment.rules_language import language_faults

Fault = tuple[str, str]
Values = Callable[[str], object]

DDP = "ddp_find_unused_parameters_true"
PRECISIONS = ("32-true", "32", 32, None, Ellipsis)
REPTILE = "fewrec_cli.strategy.reptile.Reptile"
BLEND = "fewrec_cli.strategy.blend.Blend"
META_RIDGE = "fewrec_cli.strategy.meta_ridge.MetaRidge"
RIDGE = "fewrec_cli.strategy.adapter.ridge.Ridge"
UNADAPTED = "fewrec_cli.strategy.adapter.none.Unadapted"
PAIR = "fewrec_cli.data.pair.Pair"
SUPPORTS = (
    "strategy.support",
    "strategy.phases.maml.support",
    "strategy.phases.reptile.support",
)


def broken_rules(value_of: Values) -> Iterator[Fault]:
    """Yield what is wrong and what to do.

    Args:
        value_of: Looks up a dotted word; Ellipsis where the config has none.
    """
    yield from _devices(value_of)
    precision = value_of("trainer.precision")
    if precision not in PRECISIONS:
        yield (
            f"trainer.precision is {precision}, and this version computes in 32-true only",
            "leave trainer.precision out, or write trainer.precision=32-true",
        )
    for word in SUPPORTS:
        support = value_of(word)
        if isinstance(support, list) and not _ascending(support):
            shown = ",".join(map(str, support))
            yield (
                f"{word} must be the smallest and the largest support of an episode, got [{shown}]",
                f"write two whole numbers, the smaller first, e.g. {word}=[1,64]",
            )
    learns, adapter = value_of("strategy._target_"), value_of("strategy.adapter._target_")
    if (learns, adapter) == (REPTILE, UNADAPTED):
        yield (
            "strategy=reptile learns only what its adapter adapts, and adapter none adapts nothing",
            "choose strategy/adapter=gradient or ridge",
        )
    if learns == META_RIDGE and adapter != RIDGE:
        yield (
            "strategy=meta_ridge learns through a ridge solve, and this adapter makes none",
            "leave strategy/adapter out, or choose strategy/adapter=ridge",
        )
    yield from language_faults(value_of)
    if learns == BLEND:
        yield from _blend(value_of, adapter)
    for place in ("source", "target"):
        if value_of(f"data.{place}._target_") == PAIR:
            yield (
                f"data/{place}=pair: a pair joins two data sets, and is no part of another",
                f"choose another data/{place}, e.g. data/{place}=movielens",
            )
    yield from _version(value_of)


def _blend(value_of: Values, adapter: object) -> Iterator[Fault]:
    """A blend has runs, each once, and nothing of its own that adapts."""
    runs = value_of("strategy.runs")
    if not runs:
        yield (
            "strategy=blend joins finished runs, and strategy.runs names none",
            "write strategy.runs=[FOLDER,FOLDER], the last lines that fewrec train printed",
        )
    named = [str(run) for run in runs] if isinstance(runs, list) else []
    places = [os.path.realpath(name) for name in named]
    again = next((n for n, place in enumerate(places) if place in places[:n]), None)
    if again is not None:
        first = named[places.index(places[again])]
        also = "" if first == named[again] else f", also as {first}"
        yield (
            f"strategy.runs names the run {named[again]} twice{also}",
            "name each run once: how far each is trusted is fitted",
        )
    if adapter != UNADAPTED or value_of("strategy.augment"):
        yield (
            "strategy=blend adapts each run as it was trained to: no adapter or augment of its own",
            "leave strategy/adapter and strategy/augment out",
        )


def _devices(value_of: Values) -> Iterator[Fault]:
    """Several processes need a parallel strategy, and cores to run on."""
    devices, strategy = value_of("trainer.devices"), value_of("trainer.strategy")
    count = _count(devices)
    if count < 2:
        return
    if isinstance(strategy, str) and not strategy.endswith("find_unused_parameters_true"):
        yield (
            f"trainer.devices={devices} needs trainer.strategy={DDP}, not {strategy}",
            f"add trainer.strategy={DDP}, or choose trainer=cpu_ddp or multi_gpu",
        )
        return
    cores = max(os.cpu_count() or 1, 2)
    if value_of("trainer.accelerator") == "cpu" and count > cores:
        yield (
            f"trainer.devices={devices} asks for as many processes on {os.cpu_count()} CPU cores",
            f"lower trainer.devices to {cores} or less",
        )


def _count(devices: object) -> int:
    """How many devices are asked for by number; 0 where only the machine can tell."""
    if isinstance(devices, str) and devices.isdigit():
        return int(devices)
    if isinstance(devices, list):
        return len(devices)
    return devices if isinstance(devices, int) and not isinstance(devices, bool) else 0


def _ascending(values: list[object]) -> bool:
    whole = [one for one in values if isinstance(one, int) and not isinstance(one, bool)]
    return len(values) == len(whole) == 2 and whole[0] <= whole[1]


def _version(value_of: Values) -> Iterator[Fault]:
    """A data set of several versions has the scale of each, and no others."""
    version, scales = value_of("data.version"), value_of("data.scales")
    if version is Ellipsis or not isinstance(scales, Mapping) or version in scales:
        return
    yield f"data.version is {version}, no version of the data", f"one of: {', '.join(scales)}"
