"""Anyone's tables: separators, encodings, recognition, implicit data, faults."""

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fewrec_cli.data.base import DataSource
from tests.contracts import DatasetContract
from tests.data.reading import counted, load, reader, refused

pytestmark = pytest.mark.usefixtures("folder")

RATINGS = "user_id,item_id,stars,when\nann,x1,5,10\nbob,x1,3,20\nann,x2,4,30\nbob,007,1,40\n"
ITEMS = (
    "item_id,title,tags,price,maker,year\n"
    "x1,A long title,War|Drama,1.5,acme,1990\n"
    'x2,"Another, one",Drama,2.5,acme,2001\n'
    "007,Third,War,,zeta,\n"
    "x9,Unseen,War,9,zeta,2005\n"
)


def table(**keys: Any) -> dict[str, Any]:
    """Return the words of a table with ratings, with some replaced."""
    columns = {"rating": "stars", "timestamp": "when"}
    return {"interactions": "r.csv", "columns": columns, "rare": 1, "numeric_from": 2, **keys}


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    """Put the tables into the working folder."""
    (folder / "r.csv").write_text(RATINGS)
    (folder / "i.csv").write_text(ITEMS)


class TestTable(DatasetContract):
    def source(self, folder: Path) -> DataSource:
        (folder / "r.csv").write_text(RATINGS)
        return reader("table", **table(interactions=str(folder / "r.csv")))


def test_ratings_are_read_and_scale_and_likes_are_inferred_and_said() -> None:
    data = load("table", **table())
    assert data.name == "table-r"
    assert data.user_ids.tolist() == ["ann", "bob"]
    assert data.item_ids.tolist() == ["007", "x1", "x2"]
    assert data.interactions.rating.tolist() == [5, 3, 4, 1]
    assert data.interactions.timestamp is not None
    assert data.interactions.timestamp.tolist() == [10, 20, 30, 40]
    assert data.positive == 4
    assert counted(data, "scale") == {"inferred from the ratings: 1 to 5 in steps of 1": 4}
    assert counted(data, "positive") == {"no data.positive: ratings of 4 or more count as liked": 2}


def test_columns_of_the_items_file_are_recognised_and_said() -> None:
    data = load("table", **table(items="i.csv", columns=table()["columns"] | {"year": "year"}))
    kinds = {field.name: (field.kind, field.vocabulary) for field in data.item_fields}
    assert kinds == {
        "tags": ("multi", ("Drama", "War")),
        "price": ("numeric", ("price",)),
        "year": ("numeric", ("year",)),
    }
    assert data.item_year is not None
    assert data.item_year.tolist() == [0, 1990, 2001]
    assert counted(data, "items") == {"items of the items file without a rating: left out": 1}
    assert counted(data, "title") == {"text: kept for backbones that read, no attribute": 3}
    assert data.item_text is not None
    assert data.item_text[2].startswith("Another, one. Drama")


def test_columns_of_words_are_facts() -> None:
    data = load("table", **table(items="i.csv"))
    assert dict(data.item_facts) == {
        "title": ("Third", "A long title", "Another, one"),
        "tags": ("War", "War, Drama", "Drama"),
        "maker": ("zeta", "acme", "acme"),
    }
    assert not data.user_facts
    kinds = {"maker": "ignore", "title": "ignore"}
    assert list(load("table", **table(items="i.csv", kinds=kinds)).item_facts) == ["tags"]


def test_kind_of_a_column_can_be_set() -> None:
    data = load("table", **table(items="i.csv", kinds={"maker": "categorical", "price": "ignore"}))
    kinds = {field.name: field.kind for field in data.item_fields}
    assert kinds["maker"] == "categorical"
    assert "price" not in kinds
    refused("no column 'colour'", "table", **table(items="i.csv", kinds={"colour": "text"}))
    refused("funny is no kind", "table", **table(items="i.csv", kinds={"maker": "funny"}))


def test_without_a_rating_column_the_data_is_implicit_and_says_so() -> None:
    data = load("table", interactions="r.csv")
    assert data.implicit
    assert data.interactions.rating.tolist() == [1, 1, 1, 1]
    assert counted(data, "columns") == {"left unread in the file of interactions: stars, when": 2}
    refused("mean nothing without ratings", "table", interactions="r.csv", scale=[1, 5])


@pytest.mark.parametrize("mark", ["\t", ";", "|", "::"])
def test_separator_is_taken_from_the_header_or_given(folder: Path, mark: str) -> None:
    (folder / "r.csv").write_text(RATINGS.replace(",", mark))
    expected = load("table", **table())
    given = "tab" if mark == "\t" else mark
    assert load("table", **table(separator=given)).hash == expected.hash
    assert expected.item_ids.tolist() == ["007", "x1", "x2"]


def test_gzip_parquet_and_byte_order_mark_give_the_same_data(folder: Path) -> None:
    expected = load("table", **table()).hash
    (folder / "r.csv.gz").write_bytes(gzip.compress(RATINGS.encode()))
    assert load("table", **table(interactions="r.csv.gz")).hash == expected
    (folder / "r.csv").write_text(RATINGS, encoding="utf-8-sig")
    assert load("table", **table()).hash == expected
    frame = pd.read_csv(folder / "r.csv")
    frame.to_parquet(folder / "r.parquet")
    assert load("table", **table(interactions="r.parquet")).hash == expected


def test_other_encodings_are_read_when_named(folder: Path) -> None:
    (folder / "r.csv").write_text(RATINGS.replace("ann", "Zo\xeb"), encoding="utf-16")
    data = load("table", **table(encoding="utf-16", separator=","))
    assert data.user_ids.tolist() == ["Zo\xeb", "bob"]


def test_wrong_encoding_names_line_and_byte(folder: Path) -> None:
    (folder / "r.csv").write_text(RATINGS.replace("bob,007", "b\xf6b,007"), encoding="latin-1")
    fault = refused("r.csv line 5: byte 0xf6 is not utf-8", "table", **table())
    assert "data.encoding" in fault.remedy
    refused("data.encoding=nonsense is no encoding", "table", **table(encoding="nonsense"))


def test_quoted_fields_may_hold_separators_and_line_ends(folder: Path) -> None:
    (folder / "r.csv").write_text(RATINGS.replace("x2", '"x,\n""2"""'))
    data = load("table", **table())
    assert 'x,\n"2"' in data.item_ids.tolist()
    (folder / "r.csv").write_text(RATINGS.replace("x2", '"x,\n2"').replace(",1,40", ",zero,40"))
    refused("r.csv line 6: rating 'zero' is not a number", "table", **table())


BAD = {
    "missing file": ({"interactions": "nowhere.csv"}, "data.interactions: no file nowhere.csv"),
    "no file named": ({"interactions": None}, "data=table has no file of interactions"),
    "folder": ({"interactions": "."}, ". is a folder, not a file, and holds no .parquet part"),
    "no such user column": (
        {"columns": {"user": "uid", "rating": "stars"}},
        "r.csv has no column 'uid' (data.columns.user); it has: user_id, item_id, stars, when",
    ),
    "no user column": ({"columns": {"user": None}}, "must name a column"),
    "no such items file": ({"items": "nowhere.csv"}, "data.items: no file nowhere.csv"),
    "off scale": ({"scale": [1, 4]}, "r.csv line 2: rating 5 is not on the scale 1 to 4"),
    "separator": ({"separator": ""}, "data.separator='' cannot separate"),
    "policy": ({"duplicates": "first"}, "data.duplicates=first is no policy"),
    "year": (
        {"items": "i.csv", "columns": {"year": "y", "rating": "stars"}},
        "no column 'y' (data.columns.year)",
    ),
}


@pytest.mark.parametrize(("keys", "problem"), BAD.values(), ids=BAD.keys())
def test_bad_words_are_refused(keys: dict[str, Any], problem: str) -> None:
    refused(problem, "table", **table(**keys))


def test_items_file_must_have_the_id_column(folder: Path) -> None:
    (folder / "i.csv").write_text(ITEMS.replace("item_id", "id"))
    refused(
        "i.csv has no column 'item_id' (data.columns.item); it has: id, title",
        "table",
        **table(items="i.csv"),
    )


BAD_FILES = {
    "empty": (b"", "r.csv is empty"),
    "header": (RATINGS.splitlines()[0].encode(), "r.csv has a header and no rows"),
    "zip": (b"PK\x03\x04\xff\xfe", "r.csv"),
    "few": (RATINGS.encode() + b"ann,x3\n", "r.csv line 6: 2 fields where 4 are expected"),
    "null": (RATINGS.encode() + b"ann,x3,NaN,5\n", "r.csv line 6: rating 'NaN' is not a finite"),
    "twice": (b"user_id,item_id,stars,stars,when\n1,2,3,3,4\n", "r.csv has 2 columns 'stars'"),
    "nul": (b"\x00" * 1000, "r.csv has no column 'user_id'"),
}


@pytest.mark.parametrize(("content", "problem"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_files_are_refused(folder: Path, content: bytes, problem: str) -> None:
    (folder / "r.csv").write_bytes(content)
    refused(problem, "table", **table())


def test_broken_gzip_and_parquet_are_refused(folder: Path) -> None:
    (folder / "r.csv.gz").write_bytes(gzip.compress(RATINGS.encode())[:-12])
    refused("r.csv.gz cannot be unpacked", "table", **table(interactions="r.csv.gz"))
    (folder / "s.csv.gz").write_bytes(b"no gzip")
    refused("s.csv.gz cannot be unpacked", "table", **table(interactions="s.csv.gz"))
    (folder / "r.parquet").write_bytes(b"PAR1 no parquet")
    refused("r.parquet is no whole parquet file", "table", **table(interactions="r.parquet"))


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("stars", "good", "r.parquet row 3: stars 'good' is not a number"),
        ("stars", None, "r.parquet row 3: rating 'nan' is not a finite number"),
        ("when", -5, "r.parquet row 3: timestamp -5 is negative"),
        ("when", 0.5, "r.parquet row 3: when '0.5' is not a whole number"),
        ("user_id", None, "r.parquet row 3: the user id is empty"),
    ],
)
def test_faulty_parquet_row_is_named(folder: Path, column: str, value: Any, problem: str) -> None:
    frame = pd.read_csv(folder / "r.csv")
    values = [str(v) if isinstance(value, str) else v for v in frame[column]]
    frame[column] = [*values[:2], value, *values[3:]]
    frame.to_parquet(folder / "r.parquet")
    refused(problem, "table", **table(interactions="r.parquet"))


@pytest.mark.parametrize(
    ("policy", "rating", "text"),
    [
        ("last", 2.0, "rows of a doubled (user, item) pair left out: the latest counts"),
        ("mean", 3.0, "rows of a doubled (user, item) pair merged: their mean counts"),
    ],
)
def test_doubled_pairs_follow_the_policy_and_are_counted(
    folder: Path, policy: str, rating: float, text: str
) -> None:
    (folder / "r.csv").write_text(RATINGS + "ann,x2,2,35\nann,x2,3,15\n")
    data = load("table", **table(duplicates=policy, scale=[1, 5]))
    assert counted(data, "duplicates") == {text: 2}
    rows = data.interactions
    assert len(rows) == 4
    assert rows.rating[(rows.user == 0) & (rows.item == 2)].tolist() == [rating]
    fault = refused("2 rows repeat a (user, item) pair", "table", **table(duplicates="error"))
    assert "data.duplicates=last" in fault.remedy


def test_without_times_the_later_row_counts(folder: Path) -> None:
    (folder / "r.csv").write_text(RATINGS + "ann,x2,2,35\nann,x2,3,15\n")
    data = load("table", **table(columns={"rating": "stars"}))
    rows = data.interactions
    assert rows.rating[(rows.user == 0) & (rows.item == 2)].tolist() == [3]


def test_faulty_row_of_the_items_file_is_named(folder: Path) -> None:
    (folder / "i.csv").write_text(ITEMS + "x3,short\n")
    refused("i.csv line 6: 2 fields where 6 are expected", "table", **table(items="i.csv"))
    (folder / "i.csv").write_text(ITEMS.splitlines()[0] + "\n")
    refused("i.csv has a header and no rows", "table", **table(items="i.csv"))


def test_parquet_items_may_hold_lists_numbers_and_gaps(folder: Path) -> None:
    frame = pd.DataFrame(
        {
            "item_id": ["x1", "x2", "007"],
            "tags": [["War", "Drama"], ["Drama"], ["War"]],
            "price": [1.5, None, 2.5],
        }
    )
    frame.to_parquet(folder / "i.parquet")
    data = load("table", **table(items="i.parquet"))
    kinds = {field.name: (field.kind, field.vocabulary) for field in data.item_fields}
    assert kinds == {"tags": ("multi", ("Drama", "War")), "price": ("numeric", ("price",))}


def test_parquet_times_and_gappy_ids_become_whole_numbers(folder: Path) -> None:
    frame = pd.read_csv(folder / "r.csv")
    frame["when"] = pd.to_datetime(frame["when"], unit="s")
    frame["user_id"] = [1.0, 2.0, 1.0, 2.0]
    frame["item_id"] = frame["item_id"].astype("category")
    frame.to_parquet(folder / "r.parquet")
    data = load("table", **table(interactions="r.parquet"))
    assert data.user_ids.tolist() == [1, 2]
    assert data.interactions.timestamp is not None
    assert data.interactions.timestamp.tolist() == [10, 20, 30, 40]
    refused(
        "r.parquet has no column 'uid' (data.columns.user)",
        "table",
        **table(interactions="r.parquet", columns={"user": "uid", "rating": "stars"}),
    )
    frame.iloc[:0].to_parquet(folder / "r.parquet")
    refused("r.parquet has no rows", "table", **table(interactions="r.parquet"))
