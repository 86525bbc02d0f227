"""What every scenario shares: how many rows a task needs, how often it is drawn, and the checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from fewrec_cli.core.errors import ConfigError, Faults, FewrecError
from fewrec_cli.scenario.base import Scenario
from fewrec_cli.scenario.candidates import parse_candidates

Shots = int | Literal["all"]


class TaskWords(TypedDict):
    """The keys that stand in every yaml of ``configs/scenario``, as ``TaskRules`` explains them.

    A scenario's constructor takes them as ``**task: Unpack[TaskWords]``.
    """

    seed: int
    shots: Shots
    query: int
    draws: int
    min_interactions: int | None
    max_interactions: int | None
    candidates: str
    curve: Sequence[Shots]
    validation: float | None
    short_history: Literal["drop", "error"]


@dataclass(frozen=True)
class TaskRules:
    """``TaskWords``, as the user wrote them: which tasks there are, and how they are drawn.

    Attributes:
        seed: Decides who is cold and every draw; independent of the run's seed.
        shots: Support size of the headline row, >= 0, or ``all``.
        query: Query interactions per task, >= 1.
        draws: Draws of support and query, >= 1.
        min_interactions: Rows that a task needs at least, or None for shots + query.
        max_interactions: Rows that a task has at most, or None for no limit.
        candidates: ``query``, ``sampled:N`` or ``catalogue``.
        curve: Support sizes of the shot curve; order and repetition carry no meaning.
        validation: Fraction held out for validation tasks, or None for no such tasks.
        short_history: ``drop`` or ``error``: what happens to tasks below ``min_interactions``.
    """

    seed: int
    shots: Shots
    query: int
    draws: int
    min_interactions: int | None
    max_interactions: int | None
    candidates: str
    curve: Sequence[Shots]
    validation: float | None
    short_history: Literal["drop", "error"]

    @property
    def needed(self) -> int:
        """Rows that a task needs; ``shots=all`` asks for one support row."""
        if self.min_interactions is not None:
            return self.min_interactions
        return (1 if self.shots == "all" else self.shots) + self.query

    @property
    def reason(self) -> str:
        """Where ``needed`` comes from, as the end of a sentence."""
        if self.min_interactions is not None:
            return f"asked for by scenario.min_interactions={self.min_interactions}"
        return f"needed for shots={self.shots} plus {self.query} query"

    def faults(self) -> list[FewrecError]:
        """Return every value that cannot be used, in the order of the yaml."""
        found = [
            *_shots_faults("scenario.shots", self.shots),
            *_least("query", self.query, 1),
            *_least("draws", self.draws, 1),
            *self._bound_faults(),
            *(fault for shots in self.curve for fault in _shots_faults("scenario.curve", shots)),
            *fraction_faults("validation", self.validation),
        ]
        try:
            parse_candidates(self.candidates)
        except ConfigError as fault:
            found.append(fault)
        if not self.curve:
            found.append(ConfigError("scenario.curve is empty", "name sizes, e.g. [0, 5, all]"))
        if self.short_history not in ("drop", "error"):
            found.append(
                ConfigError(
                    f"scenario.short_history={self.short_history} is not known",
                    "choose drop or error",
                )
            )
        return found

    def _bound_faults(self) -> list[FewrecError]:
        low, high = self.min_interactions, self.max_interactions
        found: list[FewrecError] = []
        least = self.query if self.shots == 0 else self.query + 1
        if low is not None and low < least:
            lack = "fewer rows than" if low < self.query else "no support row besides"
            found.append(
                ConfigError(
                    f"scenario.min_interactions={low} leaves tasks with {lack} "
                    f"scenario.query={self.query}",
                    f"raise scenario.min_interactions to {least} or more, or lower scenario.query",
                )
            )
        if high is not None and not found and high < self._lowest():
            found.append(
                ConfigError(
                    f"scenario.max_interactions={high} is below the {self._lowest()} rows "
                    "that a task needs",
                    "raise scenario.max_interactions, or lower scenario.shots or scenario.query",
                )
            )
        return found

    def _lowest(self) -> int:
        whole = self.shots == "all" or isinstance(self.shots, int)
        return self.needed if whole else self.query


def _shots_faults(key: str, shots: object) -> list[FewrecError]:
    if shots == "all" or (isinstance(shots, int) and not isinstance(shots, bool) and shots >= 0):
        return []
    return [
        ConfigError(
            f"{key}: {shots} is not a number of shots",
            "give a whole number from 0 (the unadapted score), or all",
        )
    ]


def _least(key: str, value: int, least: int) -> list[FewrecError]:
    if value >= least:
        return []
    return [ConfigError(f"scenario.{key}={value} is too small", f"give {least} or more")]


def fraction_faults(key: str, value: float | None) -> list[FewrecError]:
    """Return a fault if ``value`` is neither None nor strictly between 0 and 1."""
    if value is None or 0.0 < value < 1.0:
        return []
    off = ", or null for none" if key == "validation" else ""
    return [
        ConfigError(
            f"scenario.{key}={value} is not a fraction between 0 and 1",
            f"give a number above 0 and below 1{off}",
        )
    ]


def raise_faults(faults: Sequence[FewrecError]) -> None:
    """Raise the fault, or all of them together, each once.

    Raises:
        FewrecError: There is at least one.
    """
    different = list({str(fault): fault for fault in faults}.values())
    if len(different) == 1:
        raise different[0]
    if different:
        raise Faults(different)


def adopt(scenario: Scenario, rules: TaskRules) -> None:
    """Set the attributes that ``Scenario`` promises from checked rules; mutates ``scenario``."""
    scenario.seed = rules.seed
    scenario.shots = number_of(rules.shots)
    scenario.query = rules.query
    scenario.draws = rules.draws
    scenario.candidates = rules.candidates
    ascending = sorted({shots for shots in rules.curve if shots != "all"})
    scenario.curve = (*ascending, None) if "all" in rules.curve else tuple(ascending)


def number_of(shots: Shots) -> int | None:
    """Return the number of shots, None for ``all``.

    Example:
        >>> number_of("all") is None
        True
    """
    return None if shots == "all" else shots
