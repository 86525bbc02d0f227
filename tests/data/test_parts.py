"""Parquet in parts: a folder is one table, and what its paths tell are columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fewrec_cli.data import parts
from tests.data.reading import load, refused

pytestmark = pytest.mark.usefixtures("folder")
COLUMNS = {"rating": "stars", "timestamp": "when"}


def frame(rows: int = 60) -> pd.DataFrame:
    """Interactions of 7 users and 9 items, no pair twice."""
    rng = np.random.default_rng(0)
    pair = rng.permutation(7 * 9)[:rows]
    return pd.DataFrame(
        {
            "user_id": [f"u{one}" for one in pair // 9],
            "item_id": pair % 9 + 100,
            "stars": rng.integers(1, 6, rows).astype(float),
            "when": rng.integers(10**9, 10**9 + 1000, rows),
        }
    )


def table(path: str, **keys: Any) -> dict[str, Any]:
    return {"interactions": path, "columns": COLUMNS, **keys}


def test_a_folder_of_parts_is_the_table_that_was_cut(folder: Path) -> None:
    whole = frame()
    whole.to_parquet(folder / "all.parquet")
    (folder / "cut" / "b").mkdir(parents=True)
    whole[:25].to_parquet(folder / "cut" / "a.parquet")
    whole[25:26].to_parquet(folder / "cut" / "b" / "0.parquet")
    whole[26:].to_parquet(folder / "cut" / "b" / "1.parquet")
    (folder / "cut" / "_SUCCESS").write_text("")
    whole.to_parquet(folder / "cut" / ".hidden.parquet")
    assert load("table", **table("cut")).hash == load("table", **table("all.parquet")).hash


def test_batches_do_not_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame().to_parquet(folder / "r.parquet")
    expected = load("table", **table("r.parquet")).hash
    monkeypatch.setattr(parts, "BATCH", 7)
    assert load("table", **table("r.parquet")).hash == expected


def test_what_the_paths_tell_is_a_column(folder: Path) -> None:
    whole = frame().sort_values(["stars", "user_id"], kind="stable")
    whole.to_parquet(folder / "all.parquet")
    whole.to_parquet(folder / "hive", partition_cols=["stars"])
    cut, expected = load("table", **table("hive")), load("table", **table("all.parquet"))
    assert cut.hash == expected.hash
    assert cut.interactions.rating.tolist() == expected.interactions.rating.tolist()


def test_a_faulty_row_is_named_by_its_part(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BATCH", 7)
    (folder / "cut").mkdir()
    good, bad = frame(), frame()
    good.to_parquet(folder / "cut" / "0.parquet")
    bad.loc[[11, 30], "stars"] = 9.0
    bad.to_parquet(folder / "cut" / "1.parquet")
    problem = "cut/1.parquet row 12: rating 9 is not on the scale 1 to 5"
    fault = refused(problem, "table", **table("cut", scale=[1, 5]))
    assert "the first of 2 faulty rows" in fault.problem
    bad.drop(columns="stars").to_parquet(folder / "cut" / "1.parquet")
    refused("cut/1.parquet has no column 'stars'", "table", **table("cut"))


def test_a_text_in_a_column_of_numbers_is_named_by_its_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "BATCH", 7)
    bad = frame().astype({"stars": str})
    bad.loc[40, "stars"] = "good"
    bad.to_parquet(folder / "r.parquet")
    refused("r.parquet row 41: stars 'good' is not a number", "table", **table("r.parquet"))


def test_parts_without_a_row_are_refused(folder: Path) -> None:
    (folder / "cut").mkdir()
    frame()[:0].to_parquet(folder / "cut" / "0.parquet")
    refused("cut has no rows", "table", **table("cut"))
