"""What a run says and does with the highest-rated as positives, and with metrics asked for."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.experiment.conftest import QUICK, Outcome, call

pytestmark = pytest.mark.slow

ASKED = ("evaluation.positives=top:3", "evaluation.further=[ndcg_binary,map_multi]")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder: Path = tmp_path_factory.mktemp("positives")
    return call("train", *QUICK, *ASKED, f"hydra.run.dir={folder / 'run'}")


@pytest.mark.slow
def test_three_of_each_task_s_query_items_are_positives(outcome: Outcome) -> None:
    tasks = pd.read_parquet(outcome.run / "tasks.parquet")
    assert tasks["precision@3"].notna().all()  # no task is without a positive
    pd.testing.assert_series_equal(tasks["precision@3"], tasks["recall@3"], check_names=False)
    assert (tasks["precision@10"] == 0.5).all()  # 3 of all 6


def test_the_signature_names_them(outcome: Outcome) -> None:
    content = json.loads((outcome.run / "metrics.json").read_text())
    assert " | positive=top:3 | " in content["signature"]


def test_what_was_asked_for_is_shown_and_held_against_the_floors(outcome: Outcome) -> None:
    content = json.loads((outcome.run / "metrics.json").read_text())
    compared = {one["metric"] for one in content["comparisons"]}
    assert compared == {"mae", "ndcg@5", "ndcg_binary@5", "map_multi@5"}
    assert "ndcg_binary@5" in outcome.out
    assert "precision_multi@5" not in content["rows"][0]["metrics"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("evaluation.positives=top:6",), "makes all of scenario.query=6 items positives"),
        (("evaluation.positives=best",), "evaluation.positives=best is not known"),
        (("evaluation.further=[ndcg]",), "evaluation.further"),
    ],
)
def test_what_cannot_be_is_told_in_two_lines(
    words: tuple[str, ...], told: str, folder: Path
) -> None:
    found = call("train", *QUICK, *words)
    assert found.code == 2
    assert told in found.told
