"""The choices of ``configs/evaluation``: cut-offs, edge cases, floors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.metric.base import NoPositive
from fewrec_cli.metric.further import Further
from fewrec_cli.metric.positives import parse_positives


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How all rows of a table are scored; one key of the yaml per attribute.

    Attributes:
        k: Cut-offs of the ranking metrics, whole numbers >= 1, kept ascending and without repeats.
        positives: Which query items are positives: ``threshold`` takes those of at least
            ``data.positive`` stars, ``top:N`` each task's N highest-rated.
        no_positive: What a task without a positive counts as.
        further: Ranking metrics beside the usual ones.
        item_shrinkage: Ratings at the global mean added to each item's mean (floors), >= 0; None
            chooses it on the validation tasks.
        user_shrinkage: Residuals of 0 added to each user's offset (floors), >= 0; None chooses it
            on the validation tasks.
        pool_factors: How far pooled supports (``scenario.pool``) may move the factors of a new item
            from what its attributes say: λ of the ridge, in rows, > 0; None chooses it on the
            validation tasks.
        pool_bias: The same of its bias.
        pool_sweeps: How often tasks and new items are fitted in turn, >= 1.
        save_predictions: Whether every candidate's score goes into ``predictions.parquet``.
        deciles: Support sizes at which errors also go into ``deciles.parquet``, split by deciles
            of items and users: whole numbers >= 0 and ``all``; evaluated besides the curve.

    Raises:
        ConfigError: A value is not usable; the message names it.
    """

    k: tuple[int, ...]
    positives: str
    no_positive: NoPositive
    further: tuple[Further, ...]
    item_shrinkage: float | None
    user_shrinkage: float | None
    pool_factors: float | None
    pool_bias: float
    pool_sweeps: int
    save_predictions: bool
    deciles: tuple[int | Literal["all"], ...]

    def __post_init__(self) -> None:
        cuts = tuple(self.k)
        if not cuts or not all(_whole(cut) and cut >= 1 for cut in cuts):
            raise ConfigError(
                f"evaluation.k must be whole numbers of at least 1, got {list(cuts)}",
                "write e.g. evaluation.k=[1,5,10]",
            )
        object.__setattr__(self, "k", tuple(sorted(set(cuts))))
        object.__setattr__(self, "deciles", tuple(self.deciles))
        wrong = [one for one in self.deciles if one != "all" and not (_whole(one) and one >= 0)]
        if wrong:
            raise ConfigError(
                f"evaluation.deciles must be support sizes, got {wrong[0]!r}",
                "write e.g. evaluation.deciles=[5,all], or [] for none",
            )
        parse_positives(self.positives)
        object.__setattr__(self, "further", tuple(dict.fromkeys(self.further)))
        words = {"no_positive": (self.no_positive,), "further": self.further}
        choices = {"no_positive": get_args(NoPositive), "further": get_args(Further)}
        for key, given in words.items():
            unknown = [word for word in given if word not in choices[key]]
            if unknown:
                raise ConfigError(
                    f"evaluation.{key} is {unknown[0]!r}",
                    f"choose one of {', '.join(choices[key])}",
                )
        shrinkages = {"item": self.item_shrinkage, "user": self.user_shrinkage}
        for side, value in shrinkages.items():
            if value is not None and (not math.isfinite(value) or value < 0):
                raise ConfigError(
                    f"evaluation.{side}_shrinkage is {value}, a number of ratings",
                    f"write 0 or more, e.g. evaluation.{side}_shrinkage=5",
                )


def shown_metrics(k: tuple[int, ...], *, implicit: bool) -> tuple[str, ...]:
    """Return the few metrics that fit into a table on a terminal, in order.

    Args:
        k: Cut-offs of the ranking metrics; the largest up to 5 and the largest up to 10 are shown.
        implicit: Whether the data has no ratings.

    Example:
        >>> shown_metrics((1, 3, 5, 10), implicit=True)
        ('ndcg@5', 'recall@5', 'mrr@5', 'ndcg@10', 'auc_user')
    """
    short, long = _largest_up_to(5, k), _largest_up_to(10, k)
    further = [f"ndcg@{long}"] if long != short else []
    if implicit:
        return (f"ndcg@{short}", f"recall@{short}", f"mrr@{short}", *further, "auc_user")
    rating = ("mae", "mae_median", "rmse", "rmse_user")
    return (*rating, f"ndcg@{short}", *further, f"precision@{short}", "auc_user")


def ranking_metric(k: tuple[int, ...]) -> str:
    """Return the ranking metric that stands for the others in a figure: nDCG at (nearly) 5.

    Example:
        >>> ranking_metric((1, 3, 10))
        'ndcg@3'
    """
    return f"ndcg@{_largest_up_to(5, k)}"


def compared_metrics(evaluation: Evaluation, *, implicit: bool, alone: bool) -> tuple[str, ...]:
    """Return the metrics in which a run's model is held against its floors.

    Args:
        evaluation: Gives the cut-offs and what was asked for beside the usual metrics.
        implicit: Whether the data has no ratings.
        alone: Whether each task has one candidate, so that only the tasks together have an order.
    """
    if alone:
        return ("mae", "auc")
    asked = [
        one for one in further_metrics(evaluation.k) if one[: one.index("@")] in evaluation.further
    ]
    return (*(() if implicit else ("mae",)), ranking_metric(evaluation.k), *asked)


def further_metrics(k: tuple[int, ...]) -> tuple[str, ...]:
    """Return the metrics that can be asked for, at the cut-off that stands for the others.

    Example:
        >>> further_metrics((1, 5, 10))
        ('ndcg_binary@5', 'precision_multi@5', 'map_multi@5')
    """
    return tuple(f"{name}@{_largest_up_to(5, k)}" for name in get_args(Further)) if k else ()


LOWER_IS_BETTER: Mapping[str, str] = {
    "mae": "MAE (stars)",
    "mae_median": "MAE, decoded (stars)",
    "rmse": "RMSE, pooled (stars)",
    "rmse_user": "RMSE, mean of users (stars)",
}
"""Metrics where less is better, with the words for an axis; of all others more is better."""


def _largest_up_to(limit: int, k: tuple[int, ...]) -> int:
    return max((cut for cut in k if cut <= limit), default=min(k))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
