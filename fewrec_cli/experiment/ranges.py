"""Ranges of values that hold whatever the data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Fault = tuple[str, str]


@dataclass(frozen=True)
class Range:
    """What one word may be.

    Attributes:
        holds: Whether a value is inside.
        text: The range in words.
        hint: What to do instead.
        each: Whether the value is a list whose entries are judged.
    """

    holds: Callable[[object], bool]
    text: str
    hint: str
    each: bool = False


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def at_least(low: float, *words: object) -> Callable[[object], bool]:
    """Numbers from ``low`` on, and the given words."""
    return lambda value: value in words or (_number(value) and value >= low)  # type: ignore[operator]


def above(low: float) -> Callable[[object], bool]:
    """Numbers greater than ``low``."""
    return lambda value: _number(value) and value > low  # type: ignore[operator]


def between(low: float, high: float, *words: object) -> Callable[[object], bool]:
    """Numbers greater than ``low`` and less than ``high``, and the given words."""
    return lambda value: value in words or (_number(value) and low < value < high)  # type: ignore[operator]


def share(value: object) -> bool:
    """Numbers from 0 to 1, both included."""
    return _number(value) and 0 <= value <= 1  # type: ignore[operator]


def _above_or_none(value: object) -> bool:
    return value is None or above(0)(value)


PENALTY = "in rows, e.g. 5"
WHOLE = "give a whole number"
SHARE = "give a share such as 0.2"
RANGES = {
    "seed": Range(at_least(0), "0 or more", WHOLE),
    "threads": Range(at_least(1), "1 or more", WHOLE),
    "scenario.shots": Range(at_least(0, "all"), "0 or more, or all", "0 scores unadapted"),
    "scenario.query": Range(at_least(1), "1 or more", "a task is scored on its query"),
    "scenario.draws": Range(at_least(1), "1 or more", WHOLE),
    "scenario.curve": Range(
        at_least(0, "all"), "0 or more, or all", "as in [0,1,5,all]", each=True
    ),
    "scenario.seed": Range(at_least(0), "0 or more", WHOLE),
    "scenario.fraction": Range(between(0, 1), "between 0 and 1", SHARE),
    "scenario.validation": Range(between(0, 1, None), "between 0 and 1, or null", SHARE),
    "scenario.min_interactions": Range(at_least(1, None), "1 or more, or null", WHOLE),
    "scenario.max_interactions": Range(at_least(1, None), "1 or more, or null", WHOLE),
    "evaluation.k": Range(at_least(1), "1 or more", "as in [1,3,5,10]", each=True),
    "evaluation.pool_factors": Range(_above_or_none, "greater than 0, or null", "in rows, e.g. 80"),
    "evaluation.pool_bias": Range(above(0), "greater than 0", "in rows, e.g. 2"),
    "evaluation.pool_sweeps": Range(at_least(1), "1 or more", WHOLE),
    "strategy.inner_lr": Range(above(0), "greater than 0", "0.1 is a usual step"),
    "strategy.inner_steps": Range(at_least(0), "0 or more", "0 scores unadapted"),
    "strategy.outer_lr": Range(above(0), "greater than 0", "0.01 is a usual step"),
    "strategy.epochs": Range(at_least(0), "0 or more", WHOLE),
    "strategy.augment_weight": Range(at_least(0), "0 or more", "0 switches the copies off"),
    "strategy.patience": Range(at_least(1), "1 or more", WHOLE),
    "strategy.rows_per_step": Range(at_least(1), "1 or more", WHOLE),
    "strategy.tasks_per_step": Range(at_least(1), "1 or more", WHOLE),
    "strategy.support": Range(at_least(1), "1 or more", "as in [1,64]", each=True),
    "strategy.query": Range(at_least(1), "1 or more", WHOLE),
    "strategy.width": Range(at_least(1), "1 or more", WHOLE),
    "strategy.layers": Range(at_least(1), "1 or more", WHOLE),
    "strategy.heads": Range(at_least(1), "1 or more", WHOLE),
    "strategy.level_weight": Range(at_least(0), "0 or more", "0 trains the score alone"),
    "strategy.level_share": Range(share, "from 0 to 1", SHARE),
    "strategy.expectation": Range(share, "from 0 to 1", SHARE),
    "strategy.item_numbers": Range(at_least(0), "0 or more", WHOLE),
    "strategy.hidden": Range(at_least(1), "1 or more", "as in [64,32]", each=True),
    "strategy.dropout": Range(share, "from 0 to 1", SHARE),
    "strategy.implicit_l2": Range(at_least(0), "0 or more", PENALTY),
    "strategy.shift_penalty": Range(_above_or_none, "greater than 0, or null", "in rows, e.g. 10"),
    "strategy.without_support": Range(share, "from 0 to 1", SHARE),
    "strategy.adapter.inner_lr": Range(above(0), "greater than 0", "0.1 is a usual step"),
    "strategy.adapter.inner_steps": Range(at_least(0), "0 or more", "0 scores unadapted"),
    "strategy.adapter.shrinkage": Range(at_least(0), "0 or more", "0 is plain MAML"),
    "strategy.adapter.factor_penalty": Range(above(0), "greater than 0", "in rows, e.g. 10"),
    "strategy.adapter.bias_penalty": Range(above(0), "greater than 0", "in rows, e.g. 3"),
    "strategy.adapter.strengths": Range(
        above(0), "greater than 0", "as in [0.5,1,2]; [1] keeps what was trained", each=True
    ),
    "strategy.augment.noise.sd": Range(at_least(0), "0 or more", "0.3 is a usual noise"),
    "strategy.augment.scale.spread": Range(at_least(0), "0 or more", SHARE),
    "strategy.augment.mixup.concentration": Range(above(0), "greater than 0", "0.4 is usual"),
    "strategy.augment.drop.probability": Range(share, "from 0 to 1", SHARE),
    "backbone.factors": Range(at_least(1), "1 or more", WHOLE),
    "backbone.width": Range(at_least(1), "1 or more", WHOLE),
    "backbone.hidden": Range(at_least(1), "1 or more", "as in [64,64]", each=True),
    "backbone.max_tokens": Range(at_least(4), "4 or more", WHOLE),
    "backbone.components": Range(at_least(1), "1 or more", WHOLE),
    "backbone.lora.rank": Range(at_least(1), "1 or more", WHOLE),
    "backbone.lora.alpha": Range(above(0), "above 0", "e.g. 16"),
    "backbone.pretraining.epochs": Range(at_least(0), "0 or more", WHOLE),
    "backbone.pretraining.lr": Range(above(0), "above 0", "e.g. 2e-5"),
    "backbone.pretraining.batch": Range(at_least(1), "1 or more", WHOLE),
    "backbone.id_dropout": Range(share, "from 0 to 1", SHARE),
    "backbone.l2": Range(at_least(0), "0 or more", PENALTY),
    "backbone.bias_l2": Range(at_least(0), "0 or more", PENALTY),
    "backbone.user_l2": Range(at_least(0), "0 or more", PENALTY),
    "backbone.side_l2": Range(at_least(0), "0 or more", PENALTY),
    "backbone.blocks": Range(at_least(2), "2 or more", WHOLE),
    "backbone.item_shrinkage": Range(at_least(0), "0 or more", PENALTY),
    "trainer.max_epochs": Range(at_least(-1, None), "-1 (no limit) or more", WHOLE),
    "trainer.max_steps": Range(at_least(-1), "-1 (no limit) or more", WHOLE),
}


def out_of_range(value_of: Callable[[str], object]) -> Iterator[Fault]:
    """Yield what is wrong and what to do, for each word outside its range.

    Args:
        value_of: Looks up a dotted word; Ellipsis where the config has none.
    """
    for word, allowed in RANGES.items():
        value = value_of(word)
        if value is Ellipsis:
            continue
        if not allowed.each:
            if not allowed.holds(value):
                yield f"{word} must be {allowed.text}, got {value}", allowed.hint
            continue
        entries = value if isinstance(value, list) else [value]
        if not entries:
            yield f"{word} is an empty list", f"give at least one value, {allowed.hint}"
        wrong = [entry for entry in entries if not allowed.holds(entry)]
        if wrong:
            yield f"{word} must hold values {allowed.text}, got {wrong[0]}", allowed.hint
