"""What the words of language backbones may be; read at the door too, so without torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.weights import Family

Kind = Literal["frozen", "head", "bias", "last", "all", "lora", "adalora", "soft"]
PLAIN: tuple[Kind, ...] = ("frozen", "head", "bias", "all", "lora", "adalora")
COUNTED: tuple[Kind, ...] = ("last", "soft")
"""Words that take a number: ``last:2``, ``soft:8``."""
PLACE = re.compile(r"\{(user|item|answer)\}")
FAMILY: dict[str, Family] = {"mlm": "bert", "causal": "gpt2"}
"""Which architecture a pretraining is for; contrastive pairs suit each."""


@dataclass(frozen=True)
class Tuned:
    """A parsed word of ``backbone.tuned``.

    Attributes:
        kind: The word itself.
        count: Layers of ``last``, vectors of ``soft``; 0 of other words.
    """

    kind: Kind
    count: int = 0

    @classmethod
    def parse(cls, word: str) -> "Tuned":
        """Read ``frozen``, ``last:2``, ``soft:8`` and the like.

        Raises:
            ConfigError: It is none of them.
        """
        for kind in PLAIN:
            if word == kind:
                return cls(kind)
        stem, _, number = word.partition(":")
        for kind in COUNTED:
            if stem == kind and number.isdigit() and int(number) > 0:
                return cls(kind, int(number))
        raise ConfigError(
            f"backbone.tuned={word} is nothing that can be tuned",
            "choose frozen, head, bias, last:N, all, lora, adalora or soft:N (N from 1)",
        )

    @property
    def soft(self) -> int:
        """How many learned vectors stand before the text."""
        return self.count if self.kind == "soft" else 0

    def fed_with(self, feed: str) -> None:
        """Refuse AdaLoRA in episodes: its ranks follow the steps of one training.

        Args:
            feed: ``rows`` or ``tasks``.

        Raises:
            ConfigError: As said.
        """
        if self.kind == "adalora" and feed != "rows":
            raise ConfigError(
                "backbone.tuned=adalora moves its ranks along one training on rows, and this "
                "strategy learns from tasks",
                "take backbone.tuned=lora, or strategy=transfer or augmentation",
            )


def prompt_pieces(template: str, family: Family) -> list[str]:
    """Cut a template of ``score=prompt`` at its places: text, name of a place, text, and so on.

    Raises:
        ConfigError: A place is missing, twice there, or unknown.
    """
    pieces = PLACE.split(template)
    names = pieces[1::2]
    wrong = [name for name in ("item", "answer") if names.count(name) != 1]
    if wrong or names.count("user") > 1 or "{" in "".join(pieces[::2]):
        raise ConfigError(
            f"backbone.prompt='{template[:80]}' must name {{item}} and {{answer}} once, {{user}} "
            "at most once, and nothing else in braces",
            "e.g. 'User: {user} Item: {item} Does the user like it? {answer}'",
        )
    if family == "gpt2" and not template.rstrip().endswith("{answer}"):
        raise ConfigError(
            "backbone.prompt does not end in {answer}: gpt2 reads nothing that follows it",
            "put {answer} at the end",
        )
    return pieces


def check_verbalizers(verbalizers: Sequence[str]) -> None:
    """Refuse any number of verbalizers but two.

    Raises:
        ConfigError: There are fewer or more.
    """
    if len(verbalizers) != 2:
        raise ConfigError(
            f"backbone.verbalizers has {len(verbalizers)} words",
            "give two: what a liked item is called, and a disliked one",
        )


def check_score(score: str, tuned: str) -> None:
    """Refuse to tune a model that reads each text once.

    Raises:
        ConfigError: ``tuned`` is nothing that ``score`` can learn.
    """
    if Tuned.parse(tuned).kind not in ("frozen", "head") and score == "encoder":
        raise ConfigError(
            f"backbone.tuned={tuned}: backbone.score=encoder reads each text once, with the model "
            "as it is",
            "take backbone.score=cross or prompt, or backbone.tuned=frozen",
        )


def check_pretrain(task: str, family: Family, word: str) -> None:
    """Refuse a pretraining that is for models of another architecture.

    Args:
        task: ``mlm``, ``causal``, ...
        family: What the model is.
        word: What the user calls it.

    Raises:
        ConfigError: It is another's.
    """
    wanted = FAMILY.get(task, family)
    if wanted != family:
        other = {"mlm": "causal", "causal": "mlm"}[task]
        raise ConfigError(
            f"backbone.pretrain={task} is for {wanted} models, and {word} is a {family}",
            f"take backbone.pretrain={other} or contrastive, or backbone={wanted}",
        )
