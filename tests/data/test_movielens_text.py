"""Facts on films in words: joined by id, counted, and refused where they are of other films."""

from pathlib import Path

import pandas as pd
import pytest

from fewrec_cli.data.movielens_extra import FILE as MELU_FILE
from fewrec_cli.data.movielens_text import FILE
from tests.data.reading import ML_1M, ML_100K, counted, load, refused, write
from tests.data.test_movielens_extra import LINES

pytestmark = pytest.mark.usefixtures("folder")
ROWS = pd.DataFrame(
    {
        "dataset": ["ml-1m", "ml-1m", "ml-100k"],
        "item_id": [20, 10, 10],
        "match": ["self", "self", "exact"],
        "director": ["L. Besson", "N/A", "J. Lasseter"],
        "writer": ["L. Besson (screenplay), L. Besson (story), R. Kamen", "", ""],
        "actors": ["J. Reno, N. Portman", "S. Weaver", "T. Hanks"],
        "plot": [" A killer. ", "", "Toys."],
    }
)


def placed(folder: Path, rows: pd.DataFrame = ROWS, name: str = FILE) -> dict[str, str]:
    """Write a small ML-1M and a file of texts; return the reader's keys."""
    write(folder / "ml-1m", ML_1M)
    if name.endswith(".parquet"):
        rows.to_parquet(folder / name)
    else:
        rows.to_csv(folder / name, index=False)
    return {"version": "1m", "root": str(folder), "text": "auto"}


def test_facts_are_joined_by_id_behind_the_readers_own(tmp_path: Path) -> None:
    data = load("movielens", **placed(tmp_path))
    assert dict(data.item_facts) == {
        "title": ("Alien: Odd; 'quoted\" (1979)", "L\xe9on (1994)"),
        "genres": ("Action, Sci-Fi", "Drama"),
        "director": ("", "L. Besson"),
        "actors": ("S. Weaver", "J. Reno, N. Portman"),
        "plot": ("", "A killer."),
        "writer": ("", "L. Besson, R. Kamen"),
    }
    assert list(data.item_facts)[2:] == ["director", "actors", "plot", "writer"]
    assert counted(data, "texts") == {
        f"films joined by id: read from {FILE} in data.root": 2,
        "films with unknown director": 1,
        "films with unknown plot": 1,
        "films with unknown writer": 1,
    }
    assert data.sources[-1].name == FILE


def test_the_lines_of_the_version_are_taken(tmp_path: Path) -> None:
    keys = {**placed(tmp_path), "version": "100k"}
    write(tmp_path / "ml-100k", ML_100K)
    data = load("movielens", **keys)
    assert data.item_facts["plot"] == ("Toys.", "", "")
    assert counted(data, "texts")[f"rated films not in {FILE}"] == 2


def test_texts_change_the_hash_and_no_attribute(tmp_path: Path) -> None:
    keys = placed(tmp_path)
    with_texts, without = load("movielens", **keys), load("movielens", **{**keys, "text": None})
    other = ROWS.assign(plot=["A cleaner.", "", "Toys."])
    assert (
        len({with_texts.hash, without.hash, load("movielens", **placed(tmp_path, other)).hash}) == 3
    )
    assert repr(with_texts.item_fields) == repr(without.item_fields)
    assert with_texts.item_text == without.item_text
    assert list(without.item_facts) == ["title", "genres"]


def test_users_are_told_in_words(tmp_path: Path) -> None:
    data = load("movielens", **{**placed(tmp_path), "text": None})
    assert dict(data.user_facts) == {
        "gender": ("female", "male"),
        "age": ("under 18", "56+"),
        "occupation": ("k12-student", "self-employed"),
    }


def test_melus_file_serves_too_and_is_refused_for_other_films(tmp_path: Path) -> None:
    write(tmp_path / "ml-1m", ML_1M)
    write(tmp_path / "ml-1m-extra", {MELU_FILE: LINES.encode()})
    keys = {"version": "1m", "root": str(tmp_path), "text": "auto"}
    data = load("movielens", **keys)
    assert data.item_facts["director"] == ("R. Scott", "L. Besson, R. Scott")
    assert data.item_facts["plot"] == ("Plot.", "P.")
    write(tmp_path / "ml-1m-extra", {MELU_FILE: LINES.replace("19", "18").encode()})
    fault = refused(
        "lists 2 of 2 rated film ids, 0 of them with the same year", "movielens", **keys
    )
    assert "data.text=null" in fault.remedy


@pytest.mark.parametrize("name", ["deutsch.csv", "deutsch.parquet"])
@pytest.mark.parametrize("ids", ["item_id", "movieId"])
def test_any_file_of_texts_can_be_named(name: str, ids: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({ids: [10, 20], "title": ["Das Wesen", "Der Profi"], "ton": ["", "hart"]})
    keys = {**placed(tmp_path, rows, name), "text": str(tmp_path / name)}
    data = load("movielens", **keys)
    assert data.item_facts["title"] == ("Das Wesen", "Der Profi")
    assert list(data.item_facts) == ["title", "genres", "ton"]
    assert data.item_title is not None
    assert data.item_title[1] == "L\xe9on (1994)"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (ROWS.assign(dataset="ml-20m"), "has no line with dataset ml-1m; it has: ml-20m"),
        (ROWS.assign(item_id=[8, 9, 10]), "lists none of the 2 rated films"),
        (ROWS.rename(columns={"item_id": "film"}), "has no column of film ids; it has: dataset"),
        (ROWS[["dataset", "item_id"]], "has no column besides the ids"),
        (ROWS[:0], "has no rows"),
    ],
)
def test_other_films_and_broken_files_are_refused(
    rows: pd.DataFrame, problem: str, tmp_path: Path
) -> None:
    keys = placed(tmp_path, rows, "mine.parquet")
    refused(problem, "movielens", **{**keys, "text": str(tmp_path / "mine.parquet")})


def test_a_missing_file_is_told_with_the_places(tmp_path: Path) -> None:
    keys = placed(tmp_path)
    (tmp_path / FILE).unlink()
    problem = f"data.text=auto: no {FILE} and no {MELU_FILE} in data.root={tmp_path}"
    assert "data.text=FILE" in refused(problem, "movielens", **keys).remedy
    absent = {**keys, "text": f"{tmp_path}/x.csv"}
    refused(f"data.text: no file {tmp_path}/x.csv", "movielens", **absent)


@pytest.mark.slow
def test_real_texts_cover_nearly_all_rated_films(real_data: Path) -> None:
    if not (real_data / FILE).exists():
        pytest.skip(f"no {FILE} in FEWREC_DATA")
    for version, plots in (("1m", 19), ("100k", 29)):
        data = load("movielens", version=version, root=str(real_data), text="auto")
        assert counted(data, "texts")["films with unknown plot"] == plots
        assert data.item_facts["director"][0] == "John Lasseter"
