"""What the figures must show: adaptation helps, and the best configuration beats its floors."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.experiment.conftest import Call


def metrics_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return content


def mean(content: dict[str, Any], row: str, shots: int | str, metric: str = "mae") -> float:
    (found,) = [one for one in content["rows"] if (one["row"], one["shots"]) == (row, shots)]
    value = found["metrics"][metric]["mean"]
    assert value is not None
    return float(value)


@pytest.mark.slow
def test_the_default_closes_half_of_the_distance_to_the_oracle(
    folder: Path, fewrec: "Call"
) -> None:
    content = metrics_of(fewrec("train", "trainer=cpu").run)
    floors = [
        row["metrics"]["mae"]["mean"]
        for row in content["rows"]
        if row["kind"] == "floor" and row["shots"] == 5 and row["metrics"]["mae"]["mean"]
    ]
    best, oracle = min(floors), mean(content, "oracle", 5)
    assert oracle < best
    assert best - mean(content, "maml", 5) >= 0.5 * (best - oracle)
    assert mean(content, "maml", 5) < mean(content, "maml (unadapted)", 5) - 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("strategy=maml",), ("strategy=transfer", "strategy/adapter=ridge")], ids=" ".join
)
def test_adaptation_lowers_the_error_on_movielens(
    words: tuple[str, ...], real_data: Path, folder: Path, fewrec: "Call"
) -> None:
    content = metrics_of(fewrec("train", "data=movielens", "trainer=cpu", *words).run)
    name = words[0].partition("=")[2]
    for shots in (3, 5, 10, "all"):
        assert mean(content, name, shots) < mean(content, f"{name} (unadapted)", shots)


CUSTOMARY = ("evaluation.item_shrinkage=10", "evaluation.user_shrinkage=3")
"""The constants of the floors that are compared with published figures."""


@pytest.mark.slow
def test_meta_ridge_beats_its_chosen_floors_on_movielens(
    real_data: Path, folder: Path, fewrec: "Call"
) -> None:
    content = metrics_of(fewrec("train", "strategy=meta_ridge", "data=movielens").run)
    check_ahead(content, "meta_ridge", [(5, "mae"), ("all", "mae"), ("all", "ndcg@5")])
    for shots in (5, 10):  # reported, whatever they say
        assert 0 < mean(content, "meta_ridge", shots, "ndcg@5") <= 1


@pytest.mark.slow
def test_combined_beats_the_customary_floors_on_movielens(
    real_data: Path, folder: Path, fewrec: "Call"
) -> None:
    content = metrics_of(fewrec("train", "strategy=combined", "data=movielens", *CUSTOMARY).run)
    check_ahead(content, "combined", [(5, "mae"), ("all", "mae"), ("all", "ndcg@5")])


def check_ahead(content: dict[str, Any], row: str, wanted: list[tuple[int | str, str]]) -> None:
    """The row beats its best floor and item mean + user offset, paired over users."""
    for shots, metric in wanted:
        (one,) = [
            each
            for each in content["comparisons"]
            if (each["shots"], each["metric"]) == (shots, metric)
        ]
        ahead = one["difference"] < 0 if metric == "mae" else one["difference"] > 0
        assert ahead, one
        assert one["p"] < 0.05, one
        offset = mean(content, "item mean + user offset", shots, metric)
        assert (mean(content, row, shots, metric) < offset) == (metric == "mae")
