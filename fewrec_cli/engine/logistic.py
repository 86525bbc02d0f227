"""Logistic regression by Newton steps: convex, so that the minimum does not depend on the start."""

import torch
from torch import Tensor
from torch.nn import functional

STEPS = 100
CLOSE = 1e-10
"""Fall of the loss, as a share of it, below which the minimum counts as reached."""
HALVINGS = 30
INTERCEPT_PENALTY = 1e-6
"""Keeps the intercept finite where all rows are of one class."""


def fit(
    design: Tensor, liked: Tensor, weight: Tensor, penalty: float, start: Tensor | None = None
) -> tuple[Tensor, int]:
    """Minimise Σ v log(1 + exp(-y (o + x·w + b))) + penalty/2 |w|², y being 1 or -1.

    Args:
        design: x of each row, float64, ``(rows, columns)``.
        liked: Whether y is 1, ``(rows,)``.
        weight: v of each row, >= 0, ``(rows,)``.
        penalty: Of the weights, > 0; the intercept b bears none. scikit-learn's ``1 / C``.
        start: o, the score that each row has already, ``(rows,)``; None: 0.

    Returns:
        w and, last, b, ``(columns + 1,)``; and the steps taken.

    Source:
        Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2009, equation 4.26,
        with the step halved until the loss falls.
    """
    rows = functional.pad(design, (0, 1), value=1.0)
    ridge = rows.new_full((rows.shape[1],), penalty)
    ridge[-1] = INTERCEPT_PENALTY
    begun = rows.new_zeros(len(rows)) if start is None else start
    sign = torch.where(liked, 1.0, -1.0).to(rows)

    def loss(found: Tensor) -> Tensor:
        error = functional.softplus(-sign * (begun + rows @ found))
        return (weight * error).sum() + 0.5 * (ridge * found.square()).sum()

    found = rows.new_zeros(rows.shape[1])
    now = loss(found)
    for step in range(1, STEPS + 1):
        chance = torch.sigmoid(begun + rows @ found)
        slope = rows.T @ (weight * (chance - liked.to(rows))) + ridge * found
        curvature = (rows * (weight * chance * (1 - chance))[:, None]).T @ rows + ridge.diag()
        move = torch.linalg.solve(curvature, slope)
        for _ in range(HALVINGS):
            value = loss(found - move)
            if value <= now:
                break
            move = move / 2
        else:
            return found, step - 1
        found, before, now = found - move, now, value
        if before - now <= CLOSE * before:
            break
    return found, step
