"""What a row of the table says of its candidates, in stars."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.types import FloatArray, IntArray, Scale
from fewrec_cli.engine.base import Prediction
from fewrec_cli.metric.rating import median_level, spread_quantile

OUTSIDE = 0.1
"""Probability left out on either side of the 80% interval."""
Z80 = 1.2815515594
"""Half the width of the interval that holds 80% of a normal distribution, in deviations."""


@dataclass(frozen=True)
class Foretold:
    """Scores of some tasks' candidates, and more of those that are query rows (the first ones).

    Attributes:
        score: Expected rating (stars) or preference, ``(tasks, candidates)``.
        decoded: Median level (stars), ``(tasks, query)``; None for a point predictor.
        low: Lower end of the 80% interval (stars), ``(tasks, query)``, or None.
        high: Upper end (stars), ``(tasks, query)``, or None.
    """

    score: FloatArray
    decoded: FloatArray | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None


def foretell(
    prediction: Prediction, backbone: Backbone, scale: Scale | None, query: int
) -> Foretold:
    """Turn a prediction into stars.

    Args:
        prediction: Of candidates, ``(tasks, candidates)``.
        backbone: Knows the standard units.
        scale: Rating levels; None for implicit data, of which only scores are given.
        query: The first so many candidates are query rows.
    """
    score = _numbers(backbone.stars(prediction.score))
    if scale is None:
        return Foretold(score)
    if prediction.levels is not None:
        levels = _numbers(prediction.levels[:, :query])
        ends = (spread_quantile(levels, scale, share) for share in (OUTSIDE, 1 - OUTSIDE))
        return Foretold(score, median_level(levels, scale), *ends)
    if prediction.variance is not None:
        half = Z80 * _numbers(prediction.variance[:, :query].sqrt() * backbone.rating_sd)
        return Foretold(score, None, score[:, :query] - half, score[:, :query] + half)
    return Foretold(score)


def assemble(
    pieces: Sequence[tuple[IntArray, Foretold]], shape: tuple[int, int], query: int
) -> Foretold:
    """Put pieces, each with its task rows, together: ``shape`` is (tasks, candidates)."""

    def whole(name: str, width: int) -> FloatArray | None:
        parts = [(rows, getattr(piece, name)) for rows, piece in pieces]
        if any(part is None for _, part in parts) or (not parts and name != "score"):
            return None
        block = np.zeros((shape[0], width))
        for rows, part in parts:
            block[rows] = part
        return block

    score = whole("score", shape[1])
    return Foretold(
        np.zeros(shape) if score is None else score,
        *(whole(name, query) for name in ("decoded", "low", "high")),
    )


def _numbers(values: Tensor) -> FloatArray:
    numbers: FloatArray = values.double().cpu().numpy()
    return numbers
