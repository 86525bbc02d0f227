"""The reader of Amazon reviews."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fewrec_cli.data.base import DataSource
from tests.contracts import DatasetContract
from tests.data.reading import counted, load, reader, refused

pytestmark = pytest.mark.usefixtures("folder")


def review(user: str, item: str, rating: Any, time: Any, **more: Any) -> str:
    """Return one line of reviews."""
    record = {"reviewerID": user, "asin": item, "overall": rating, "unixReviewTime": time}
    return json.dumps({**record, **more})


REVIEWS = (
    review("A", "B1", 5.0, 100, style={"Format:": "x"}, verified=True),
    review("B", "B1", 2.0, 200, reviewText='odd "text"\n'),
    review("A", "B2", 4.0, 300),
    review("A", "B2", 1.0, 250),
)
PRODUCTS = (
    {"asin": "B1", "title": "Card &amp; Co", "brand": "acme", "price": "$1,025.50"},
    {
        "asin": "B2",
        "title": "Other",
        "category": ["Cards", "Gifts"],
        "description": ["One.", "Two"],
    },
    {"asin": "B9", "title": "Unsold", "description": "text"},
)


def write(folder: Path, reviews: tuple[str, ...] = REVIEWS, *, meta: bool = True) -> str:
    """Write a category of two files."""
    lines = "\n".join(reviews).encode(errors="surrogateescape")
    (folder / "Cards_5.json.gz").write_bytes(gzip.compress(lines))
    if meta:
        lines = "\n".join(map(json.dumps, PRODUCTS)).encode()
        (folder / "meta_Cards.json.gz").write_bytes(gzip.compress(lines))
    return str(folder)


class TestAmazon(DatasetContract):
    def source(self, folder: Path) -> DataSource:
        return reader("amazon", category="Cards", root=write(folder), rare=1)


def test_reviews_and_metadata_are_joined_and_counted(tmp_path: Path) -> None:
    data = load("amazon", category="Cards", root=write(tmp_path), rare=1)
    assert data.name == "amazon-Cards"
    assert data.interactions.rating.tolist() == [5, 2, 4]
    assert sum(counted(data, "duplicates").values()) == 1
    assert counted(data, "items") == {"products of the metadata without a rating: left out": 1}
    assert data.item_text is not None
    assert data.item_text[0] == "Card & Co"
    assert {f.name: f.vocabulary for f in data.item_fields} == {
        "category": ("Cards", "Gifts"),
        "brand": ("acme",),
    }


def test_without_metadata_there_are_no_attributes_and_a_note(tmp_path: Path) -> None:
    data = load("amazon", category="Cards", root=write(tmp_path, meta=False))
    assert data.item_fields == ()
    assert counted(data, "items") == {"no meta_Cards.json.gz: no attributes": 0}


def test_unpacked_reviews_are_the_same(tmp_path: Path) -> None:
    packed = load("amazon", category="Cards", root=write(tmp_path)).hash
    lines = gzip.decompress((tmp_path / "Cards_5.json.gz").read_bytes())
    (tmp_path / "Cards_5.json.gz").unlink()
    (tmp_path / "Cards_5.json").write_bytes(lines)
    assert load("amazon", category="Cards", root=str(tmp_path)).hash == packed


BAD = {
    "not json": ("{oops", "line 5, character 2: not JSON"),
    "cut short": (REVIEWS[0][:-9], "line 5, character"),
    "odd bytes": ('{"asin": "\udcff"}', "line 5: not JSON"),
    "a list": ("[1]", "line 5: not a JSON object"),
    "no user": (review("", "B1", 5, 1), "line 5: no reviewerID"),
    "null item": ('{"reviewerID": "A", "asin": null, "overall": 5}', "line 5: no asin"),
    "text rating": (review("A", "B3", "five", 1), "line 5: overall 'five' is not a number"),
    "no rating": ('{"reviewerID": "A", "asin": "B3"}', "line 5: overall 'None' is not a number"),
    "off scale": (review("A", "B3", 6, 1), "line 5: overall 6 is not on the scale 1 to 5"),
    "time": (review("A", "B3", 5, -1), "line 5: unixReviewTime '-1' is not a whole number"),
    "part of a second": (review("A", "B3", 5, 0.5), "line 5: unixReviewTime '0.5' is not a whole"),
}


@pytest.mark.parametrize(("line", "problem"), BAD.values(), ids=BAD.keys())
def test_faulty_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    root = write(tmp_path, (*REVIEWS, line))
    refused(f"Cards_5.json.gz {problem}", "amazon", category="Cards", root=root)


def test_faulty_line_of_metadata_is_named(tmp_path: Path) -> None:
    root = write(tmp_path)
    (tmp_path / "meta_Cards.json.gz").write_bytes(gzip.compress(b'{"asin": "B1"}\n{"asin" "B2"}'))
    problem = "meta_Cards.json.gz line 2, character 9: not JSON"
    refused(problem, "amazon", category="Cards", root=root)


def test_broken_and_missing_files_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path)
    refused("no Other_5.json.gz in data.root=", "amazon", category="Other", root=root)
    (tmp_path / "Cards_5.json.gz").write_bytes(gzip.compress(b" \n"))
    refused("Cards_5.json.gz is empty", "amazon", category="Cards", root=root)
    (tmp_path / "Cards_5.json.gz").write_bytes(gzip.compress("\n".join(REVIEWS).encode())[:-9])
    refused("cannot be unpacked", "amazon", category="Cards", root=root)


def test_real_counts(real_data: Path) -> None:
    if not (real_data / "amazon" / "Gift_Cards_5.json.gz").exists():
        pytest.skip("FEWREC_DATA has no Gift_Cards_5.json.gz")
    data = load("amazon")
    assert (data.n_users, data.n_items, len(data.interactions)) == (458, 148, 2965)
    assert sum(counted(data, "duplicates").values()) == 7
