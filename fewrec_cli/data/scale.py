"""The rating scale as the yaml writes it, and as ratings without a declared scale show it."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import BoolArray, FloatArray, Scale

ON_LEVEL = 1e-6
"""How far (in steps) a rating may lie from its level."""


def parse_scale(values: Sequence[float]) -> Scale:
    """Return the scale that ``[low, high]`` or ``[low, high, step]`` means; the step is else 1.

    Raises:
        DataError: Not two or three numbers, low not below high, or a step that does not divide.

    Example:
        >>> parse_scale([0.5, 5, 0.5]).levels[:3].tolist()
        [0.5, 1.0, 1.5]
    """
    written = f"data.scale={list(values)}".replace(" ", "")
    remedy = "write data.scale=[LOW,HIGH] or [LOW,HIGH,STEP], e.g. [1,5] or [0.5,5,0.5]"
    if len(values) not in (2, 3):
        raise DataError(f"{written} has {len(values)} numbers", remedy)
    low, high = float(values[0]), float(values[1])
    step = float(values[2]) if len(values) == 3 else 1.0
    if not np.isfinite([low, high, step]).all() or not low < high or not step > 0:
        raise DataError(f"{written} is no ascending scale", remedy)
    steps = (high - low) / step
    if abs(steps - round(steps)) > ON_LEVEL:
        raise DataError(
            f"{written}: a step of {step:g} does not lead from {low:g} to {high:g}", remedy
        )
    return Scale(low, high, step)


def off_scale(ratings: FloatArray, scale: Scale) -> BoolArray:
    """Return which ratings are NaN, outside the scale, or between two levels, ``(n,)``."""
    steps = (ratings - scale.low) / scale.step
    with np.errstate(invalid="ignore"):
        off_level = np.abs(steps - np.rint(steps)) > ON_LEVEL
    return ~(ratings >= scale.low) | ~(ratings <= scale.high) | off_level


def levels_of(ratings: FloatArray) -> FloatArray:
    """Return the distinct ratings in ascending order, by hashing: there are few, of many rows."""
    return np.unique(pc.unique(pa.array(ratings)).to_numpy())


def infer_scale(ratings: FloatArray) -> tuple[Scale, str]:
    """Return the scale that the ratings themselves show, and one line that says so.

    The step is the smallest distance of two ratings if all ratings then stand on a level; else a
    hundredth of the range.
    """
    values = levels_of(ratings)
    low, high = float(values[0]), float(values[-1])
    if len(values) == 1:
        return Scale(
            low, low + 1.0
        ), f"all ratings are {low:g}; scale set to {low:g} to {low + 1:g}"
    step = float(np.diff(values).min())
    steps = (values - low) / step
    if steps[-1] <= 1000 and np.abs(steps - np.rint(steps)).max() <= 1e-3:
        scale = Scale(low, high, step)
        return scale, f"inferred from the ratings: {low:g} to {high:g} in steps of {step:g}"
    scale = Scale(low, high, (high - low) / 100)
    return scale, f"inferred from the ratings: {low:g} to {high:g}, taken as 101 levels"


def check_positive(positive: float, scale: Scale) -> None:
    """Refuse a bound of liking that no rating, or every rating, could reach.

    Raises:
        DataError: It lies outside the scale.
    """
    if not scale.low <= positive <= scale.high:
        raise DataError(
            f"data.positive={positive:g} lies outside the scale {scale.low:g} to {scale.high:g}",
            "set it to the lowest rating that counts as liked",
        )


def infer_positive(scale: Scale) -> float:
    """Return the lowest level in the upper quarter of the scale.

    Example:
        >>> infer_positive(Scale(1, 5)), infer_positive(Scale(0.5, 5, 0.5))
        (4.0, 4.0)
    """
    levels = scale.levels
    edge = scale.low + 0.75 * (scale.high - scale.low)
    return float(levels[levels >= edge - ON_LEVEL][0])
