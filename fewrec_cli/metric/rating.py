"""How far predicted ratings lie from the true ones: one figure per task."""

import numpy as np

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.types import BoolArray, FloatArray, IntArray, Scale
from fewrec_cli.metric.base import RatedQueries, mean_defined


def clip(expected: FloatArray, scale: Scale) -> FloatArray:
    """Return ``expected`` (stars) moved onto the scale: for MAE and RMSE, never for ranking."""
    return np.clip(expected, scale.low, scale.high)


def decode(expected: FloatArray, scale: Scale) -> FloatArray:
    """Return the rating level nearest to ``expected`` (stars); halfway, the upper one.

    Example:
        >>> decode(np.array([0.2, 2.49, 2.5, 9.0]), Scale(1, 5))
        array([1., 2., 3., 5.])
    """
    top = len(scale.levels) - 1
    index = np.floor((expected - scale.low) / scale.step + 0.5)
    return np.asarray(scale.low + scale.step * np.clip(index, 0, top), dtype=np.float64)


def median_level(probability: FloatArray, scale: Scale) -> FloatArray:
    """Return the median level (stars) of a distribution over the levels, the upper of two medians.

    Args:
        probability: Of each level, ascending, summing to 1, ``(..., n_levels)``.
        scale: Rating levels.

    Raises:
        ShapeError: ``probability`` has another number of levels than the scale.

    Example:
        >>> median_level(np.array([0.3, 0.1, 0.2, 0.2, 0.2]), Scale(1, 5))
        array(3.)
    """
    levels = _checked(probability, scale)
    # the tolerance keeps 0.1 + 0.2 + 0.2 from falling on either side of a half by rounding
    below = np.count_nonzero(np.cumsum(probability, axis=-1) <= 0.5 + 1e-9, axis=-1)
    return np.asarray(levels[np.minimum(below, len(levels) - 1)])


def spread_quantile(probability: FloatArray, scale: Scale, share: float) -> FloatArray:
    """Return the point (stars) below which ``share`` of the probability lies.

    Each level's probability is spread evenly over half a step to either side, so that an interval
    between two such points holds the share it names; whole levels would hold far more.

    Args:
        probability: As in ``median_level``.
        scale: Rating levels.
        share: 0 < share < 1.

    Raises:
        ShapeError: ``probability`` has another number of levels than the scale.

    Example:
        >>> spread_quantile(np.array([0.2, 0.0, 0.4, 0.4, 0.0]), Scale(1, 5), 0.4)
        array(3.)
    """
    levels = _checked(probability, scale)
    reached = np.cumsum(probability, axis=-1)
    last = len(levels) - 1
    place = np.minimum(np.count_nonzero(reached < share, axis=-1), last)[..., None]
    mass = np.take_along_axis(probability, place, -1)
    before = np.take_along_axis(reached, place, -1) - mass
    part = np.clip((share - before) / np.maximum(mass, 1e-12), 0.0, 1.0)
    return np.asarray((levels[place] + (part - 0.5) * scale.step)[..., 0])


def _checked(probability: FloatArray, scale: Scale) -> FloatArray:
    levels = scale.levels
    if probability.shape[-1] != len(levels):
        raise ShapeError(
            f"{probability.shape[-1]} probabilities for {len(levels)} rating levels",
            "give one probability per level",
        )
    return levels


def mae(rated: RatedQueries) -> FloatArray:
    """Mean absolute error of the clipped expected rating (stars), ``(tasks,)``; NaN: no query."""
    return _mean_over_query(np.abs(clip(rated.expected, rated.scale) - rated.rating), rated.mask)


def mae_median(rated: RatedQueries) -> FloatArray:
    """Mean absolute error of the decoded rating (stars), ``(tasks,)``.

    MAE is minimised by the median of the predictive distribution, so decoding alone is worth
    0.03-0.05 on a 1-5 scale; every row of a table is decoded by the same rule.
    """
    answer = decode(rated.expected, rated.scale) if rated.decoded is None else rated.decoded
    return _mean_over_query(np.abs(answer - rated.rating), rated.mask)


def rmse(rated: RatedQueries) -> FloatArray:
    """Root mean squared error of each task (stars), ``(tasks,)``; averaged: ``rmse_user``."""
    error = clip(rated.expected, rated.scale) - rated.rating
    return np.sqrt(_mean_over_query(error * error, rated.mask))


def accuracy(rated: RatedQueries) -> FloatArray:
    """Share of query rows where expected and true rating agree on liked or not, ``(tasks,)``."""
    liked = clip(rated.expected, rated.scale) >= rated.positive
    agree = liked == (rated.rating >= rated.positive)
    return _mean_over_query(agree.astype(np.float64), rated.mask)


def interval_coverage(rated: RatedQueries) -> FloatArray:
    """Share of query ratings inside the 80% interval, ``(tasks,)``; 0.8 where it is calibrated."""
    if rated.low is None or rated.high is None:
        return np.full(len(rated.rating), np.nan)
    inside = (rated.low <= rated.rating) & (rated.rating <= rated.high)
    return _mean_over_query(inside.astype(np.float64), rated.mask)


def interval_width(rated: RatedQueries) -> FloatArray:
    """Mean width of the 80% interval on the scale (stars), ``(tasks,)``: narrow is sharp."""
    if rated.low is None or rated.high is None:
        return np.full(len(rated.rating), np.nan)
    width = clip(rated.high, rated.scale) - clip(rated.low, rated.scale)
    return _mean_over_query(width, rated.mask)


def aggregate(name: str, per_task: FloatArray, n_query: IntArray) -> float | None:
    """Return the table's figure of one metric from its figures per task.

    ``rmse`` pools all ratings, so that tasks with more query rows weigh more: the root of the mean
    squared error over ratings. ``gauc`` weighs each task by its query rows, too. Every other name
    (``mae``, ``rmse_user``, ``auc_user``, ...) is the mean over tasks. The two RMSEs differ (0.944
    against 0.900 on one and the same prediction was seen).

    Args:
        name: Name of the metric.
        per_task: Each task's figure, NaN where undefined; of ``rmse``: its RMSE, ``(tasks,)``.
        n_query: Query rows of each task, ``(tasks,)``.

    Returns:
        The figure, or None when no task has one.
    """
    if name not in ("rmse", "gauc"):
        return mean_defined(per_task)
    defined = ~np.isnan(per_task) & (n_query > 0)
    if not defined.any():
        return None
    figure, weight = per_task[defined], n_query[defined]
    if name == "gauc":
        return float(np.average(figure, weights=weight))
    return float(np.sqrt(np.average(figure**2, weights=weight)))


def _mean_over_query(values: FloatArray, mask: BoolArray) -> FloatArray:
    count = mask.sum(axis=1)
    total = np.where(mask, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
