"""The choices of configs/evaluation."""

import pytest
from omegaconf import ListConfig

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.metric.settings import Evaluation, ranking_metric, shown_metrics

GIVEN = {
    "k": [5, 1, 5],
    "positives": "threshold",
    "further": ["map_multi", "map_multi"],
    "no_positive": "skip",
    "item_shrinkage": 10,
    "user_shrinkage": 0,
    "pool_factors": None,
    "pool_bias": 2,
    "pool_sweeps": 6,
    "save_predictions": False,
    "deciles": [],
}


def test_cut_offs_are_sorted_and_named_once() -> None:
    assert Evaluation(**GIVEN).k == (1, 5)
    assert Evaluation(**{**GIVEN, "k": ListConfig([3, 1])}).k == (1, 3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("k", [0]),
        ("k", []),
        ("k", [1.5]),
        ("k", [True]),
        ("positives", "top"),
        ("positives", "top:0"),
        ("no_positive", "nan"),
        ("further", ["ndcg_decimal"]),
        ("item_shrinkage", -1),
        ("user_shrinkage", float("inf")),
        ("deciles", [-1]),
        ("deciles", ["most"]),
        ("deciles", [True]),
    ],
)
def test_unusable_value_is_named(key, value) -> None:
    with pytest.raises(ConfigError, match=f"evaluation.{key}") as caught:
        Evaluation(**{**GIVEN, key: value})
    assert caught.value.exit_code == 2


def test_shown_metrics_follow_the_cut_offs() -> None:
    assert "ndcg@5" in shown_metrics((1, 3, 5, 10), implicit=False)
    assert shown_metrics((20,), implicit=True)[0] == "ndcg@20"
    assert "mae" not in shown_metrics((5,), implicit=True)
    assert ranking_metric((10, 20)) == "ndcg@10"
