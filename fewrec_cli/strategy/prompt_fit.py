"""A change of a head in closed form: how strongly it is held back is found by cross-validation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.engine import logistic

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e6)
"""Tried by cross-validation, in examples; the last leaves the head's direction as it is."""
FOLDS = 5


@dataclass(frozen=True)
class Examples:
    """Labelled rows.

    Attributes:
        features: What the head reads, ``(rows, columns)``.
        start: Score before anything is fitted, ``(rows,)``.
        liked: ``(rows,)``.
        weight: ``(rows,)``.
        user: Whose they are, ``(rows,)``.
    """

    features: Tensor
    start: Tensor
    liked: Tensor
    weight: Tensor
    user: Tensor

    @classmethod
    def of(cls, parts: Sequence[Self]) -> Self:
        """Return all rows of some parts."""
        columns = ([getattr(part, one.name) for part in parts] for one in fields(cls))
        return cls(*(torch.cat(column) for column in columns))

    def some(self, which: Tensor) -> Self:
        """Return some rows, by booleans ``(rows,)``."""
        return type(self)(*(getattr(self, one.name)[which] for one in fields(self)))


def fitted(rows: Examples, penalty: float) -> tuple[Tensor, int]:
    """Minimise the cross-entropy of start + w · features + b, with a penalty on w.

    The penalty is that of features less their mean whose variances sum to 1.

    Args:
        rows: At least one.
        penalty: In examples, > 0.

    Returns:
        w and, last, b, ``(columns + 1,)`` float64; and the steps taken.
    """
    features = rows.features.double()
    mean = features.mean(0)
    spread = float((features - mean).square().sum(1).mean().sqrt())
    design = (features - mean) / max(spread, 1e-9)
    found, steps = logistic.fit(
        design, rows.liked, rows.weight.double(), penalty, rows.start.double()
    )
    w = found[:-1] / max(spread, 1e-9)
    return torch.cat([w, (found[-1] - mean @ w)[None]]), steps


def chosen_penalty(rows: Examples) -> float:
    """Return the largest penalty that foretells users left out about as well as the best one does.

    About as well: its cross-entropy is higher by no more than one standard error of that
    difference. Few labels so move a head only where they say so plainly. Users are put into folds
    by their number, so that no user's rows teach about the same user's; with fewer than two users
    the largest penalty is taken.

    Source:
        The rule of one standard error: Breiman et al., "Classification and Regression Trees", 1984,
        section 3.4.3; here of paired differences.
    """
    users = sorted(set(rows.user.tolist()))
    if len(users) < 2:
        return PENALTIES[-1]
    fold = torch.searchsorted(torch.tensor(users).to(rows.user), rows.user) % FOLDS
    folds = range(min(FOLDS, len(users)))
    losses = torch.stack([_losses(rows, fold, folds, penalty) for penalty in PENALTIES])
    above = losses - losses[losses.sum(1).argmin()]
    error = above.std(1) / len(rows.liked) ** 0.5
    good = (above.mean(1) <= error).nonzero()[:, 0]
    return PENALTIES[int(good.max())]


def _losses(rows: Examples, fold: Tensor, folds: Iterable[int], penalty: float) -> Tensor:
    """Return the cross-entropy of each row after a fit to the other folds, ``(rows,)``."""
    losses = torch.zeros(len(rows.liked), dtype=torch.float64, device=fold.device)
    for number in folds:
        out = fold == number
        asked = rows.some(out)
        found, _ = fitted(rows.some(~out), penalty)
        score = asked.start.double() + asked.features.double() @ found[:-1] + found[-1]
        losses[out] = functional.binary_cross_entropy_with_logits(
            score, asked.liked.to(score), asked.weight.double(), reduction="none"
        )
    return losses
