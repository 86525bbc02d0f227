"""The MovieLens reader: three layouts, archive or folder, every fault named by its line."""

from pathlib import Path

import numpy as np
import pytest

from fewrec_cli.data.base import DataSource
from fewrec_cli.data.movielens_version import VERSIONS
from tests.contracts import DatasetContract
from tests.data.reading import (
    CONFIGS,
    ML_1M,
    ML_100K,
    ML_CSV,
    counted,
    item_line,
    load,
    pack,
    reader,
    refused,
    write,
)

pytestmark = pytest.mark.usefixtures("folder")


class TestMovieLens(DatasetContract):
    def source(self, folder: Path) -> DataSource:
        write(folder / "ml-100k", ML_100K)
        return reader("movielens", root=str(folder), rare=1)


def test_100k_layout_gives_ratings_by_id_and_all_attributes(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ML_100K)
    data = load("movielens", root=str(tmp_path), rare=1)
    assert data.name == "movielens-100k"
    assert data.user_ids.tolist() == [1, 2]
    assert data.item_ids.tolist() == [10, 20, 30]
    rows = data.interactions
    assert rows.user.tolist() == [1, 0, 0, 1]
    assert rows.item.tolist() == [0, 2, 0, 1]
    assert rows.rating.tolist() == [3, 5, 4, 1]
    assert rows.timestamp is not None
    assert rows.timestamp[0] == 881250949
    fields = {field.name: field for field in (*data.user_fields, *data.item_fields)}
    assert list(fields) == ["gender", "age", "occupation", "zip", "genres", "year", "decade"]
    assert fields["age"].vocabulary == ("18-24", "50-55")
    assert fields["zip"].vocabulary == ("8", "T")
    assert fields["genres"].vocabulary == ("Animation", "Comedy", "Film-Noir")
    assert fields["genres"].offsets.tolist() == [0, 2, 3, 3]
    assert fields["genres"].weight.tolist() == [0.5, 0.5, 1.0]
    assert fields["decade"].vocabulary == ("1940s", "1990s")
    assert data.item_year is not None
    assert data.item_year.tolist() == [1995, 1949, 0]
    assert data.item_text == (
        "Toy Story (1995). Animation, Comedy.",
        "Caf\xe9 Noir (1949). Film-Noir.",
        "unknown.",
    )
    assert counted(data, "items") == {"items of the items file without a rating: left out": 1}


def test_1m_layout_keeps_titles_with_odd_characters(tmp_path: Path) -> None:
    write(tmp_path / "ml-1m", ML_1M)
    data = load("movielens", version="1m", root=str(tmp_path), rare=1)
    assert data.item_text is not None
    assert data.item_text[0] == "Alien: Odd; 'quoted\" (1979). Action, Sci-Fi."
    assert data.item_text[1] == "L\xe9on (1994). Drama."
    fields = {field.name: field.vocabulary for field in data.user_fields}
    assert fields["age"] == ("56+", "under 18")
    assert fields["occupation"] == ("k12-student", "self-employed")


def test_csv_layout_has_half_stars_and_no_users(tmp_path: Path) -> None:
    write(tmp_path / "ml-latest-small", ML_CSV)
    data = load("movielens", version="latest-small", root=str(tmp_path), rare=1)
    assert data.scale is not None
    assert data.scale.levels.tolist() == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    assert data.interactions.rating.tolist() == [0.5, 4.5, 3.0]
    assert data.user_fields == ()
    assert data.item_text == ("American President, The (1995). Comedy, Drama.", "Odd.")


@pytest.mark.parametrize("version", ["10m", "20m", "25m", "32m"])
def test_large_versions_read_the_same_layouts(tmp_path: Path, version: str) -> None:
    folder = "ml-10M100K" if version == "10m" else f"ml-{version}"
    files = ML_CSV
    if version == "10m":
        files = {k: v for k, v in ML_1M.items() if k != "users.dat"}
        files["movies.dat"] = files["movies.dat"].encode().decode("latin-1")
    pack(tmp_path / f"ml-{version}.zip", files, f"{folder}/")
    data = load("movielens", version=version, root=str(tmp_path))
    assert (data.n_users, data.n_items, len(data.interactions)) == (2, 2, 3)


def test_archive_and_folder_give_the_same_hash(tmp_path: Path) -> None:
    write(tmp_path / "a" / "ml-100k", ML_100K)
    pack(tmp_path / "b" / "ml-100k.zip", ML_100K, "ml-100k/")
    pack(tmp_path / "c" / "ml-100k" / "ml-100k.zip", ML_100K)
    write(tmp_path / "d" / "ml-100k" / "ml-100k", ML_100K)
    found = [load("movielens", root=str(tmp_path / place)) for place in "abcd"]
    assert len({data.hash for data in found}) == 1
    assert [s.name for s in found[0].sources] == ["u.data", "u.item", "u.user"]
    assert [s.name for s in found[1].sources] == ["ml-100k.zip"]


def test_named_place_that_is_no_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "data" / "ml-100k", ML_100K)
    refused("data.root=/nope is no folder", "movielens", root="/nope")
    refused("data.root=/nope is no folder", "amazon", root="/nope")
    monkeypatch.setenv("FEWREC_DATA", "/nope")
    fault = refused("FEWREC_DATA=/nope is no folder", "movielens")
    assert "put it into" not in fault.remedy
    assert load("movielens", root=str(tmp_path / "data")).n_users == 2


def test_hash_depends_on_a_rating_the_scale_and_an_attribute(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ML_100K)
    hashes = {load("movielens", root=str(tmp_path)).hash}
    hashes.add(load("movielens", root=str(tmp_path), scale=[0, 5]).hash)
    hashes.add(load("movielens", root=str(tmp_path), zip_prefix=2, rare=1).hash)
    write(tmp_path / "ml-100k", {"u.data": ML_100K["u.data"].replace("\t3\t", "\t2\t")})
    hashes.add(load("movielens", root=str(tmp_path)).hash)
    assert len(hashes) == 4


@pytest.mark.slow
def test_places_are_tried_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data" / "ml-100k", ML_100K)
    assert counted(load("movielens"), "files") == {"read from ml-100k in data/": 3}
    write(tmp_path / "shared" / "ml-100k", ML_100K)
    monkeypatch.setenv("FEWREC_DATA", str(tmp_path / "shared"))
    assert counted(load("movielens"), "files") == {"read from ml-100k in FEWREC_DATA": 3}
    (tmp_path / "own").mkdir()
    elsewhere = load("movielens", root=str(tmp_path / "own"))
    assert counted(elsewhere, "files") == {
        "read from ml-100k in FEWREC_DATA, as data.root has no such file": 3
    }
    write(tmp_path / "own" / "ml-100k", ML_100K)
    own = load("movielens", root=str(tmp_path / "own"))
    assert counted(own, "files") == {"read from ml-100k in data.root": 3}
    inside = load("movielens", root=str(tmp_path / "own" / "ml-100k"))
    assert inside.hash == own.hash


def test_every_version_has_a_scale_in_the_yaml() -> None:
    text = (CONFIGS / "movielens.yaml").read_text()
    for version in VERSIONS:
        assert f"  {version}: [" in text


def test_unknown_version_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    fault = refused("no movielens version '2m'", "movielens", version="2m", root=str(tmp_path))
    assert "100k|1m|latest-small|10m|20m|25m|32m" in fault.remedy


BAD_ROWS = {
    "too few fields": ("1\t20\t3\n", "u.data line 5: 3 fields where 4 are expected"),
    "too many fields": ("1\t20\t3\t4\t5\n", "u.data line 5: 5 fields where 4 are expected"),
    "text rating": ("1\t20\tgood\t1\n", "u.data line 5: rating 'good' is not a number"),
    "empty rating": ("1\t20\t\t1\n", "u.data line 5: rating '' is not a number"),
    "NaN rating": ("1\t20\tnan\t1\n", "u.data line 5: rating 'nan' is not a finite number"),
    "infinite rating": ("1\t20\tinf\t1\n", "u.data line 5: rating inf is not on the scale 1 to 5"),
    "high rating": ("1\t20\t6\t1\n", "u.data line 5: rating 6 is not on the scale 1 to 5"),
    "between levels": ("1\t20\t3.5\t1\n", "u.data line 5: rating 3.5 is not on the scale 1 to 5"),
    "negative time": ("1\t20\t3\t-7\n", "u.data line 5: timestamp -7 is negative"),
    "fraction of time": ("1\t20\t3\t7.5\n", "u.data line 5: timestamp '7.5' is not a whole number"),
    "huge time": (f"1\t20\t3\t{'9' * 30}\n", "u.data line 5: timestamp '99999"),
    "empty user": ("\t20\t3\t1\n", "u.data line 5: the user id is empty"),
    "empty item": ("1\t\t3\t1\n", "u.data line 5: the item id is empty"),
    "long rating": (f"1\t20\t{'x' * 10**6}\t1\n", "u.data line 5 has 1,000,007 characters"),
    "long time": (f"1\t20\t3\t{'9' * 10**6}\n", "u.data line 5 has 1,000,007 characters"),
    "long id": (f"{'y' * 10**6}\t20\t3\t1\n", "u.data line 5 has 1,000,007 characters"),
}


@pytest.mark.parametrize(("row", "problem"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_faulty_row_is_named_by_file_and_line(tmp_path: Path, row: str, problem: str) -> None:
    write(tmp_path / "ml-100k", ML_100K | {"u.data": ML_100K["u.data"] + row})
    refused(problem, "movielens", root=str(tmp_path))


def test_faulty_rows_are_counted_and_blank_lines_keep_the_numbers(tmp_path: Path) -> None:
    text = ML_100K["u.data"] + "\n" + "1\t20\t9\t1\n" * 3
    write(tmp_path / "ml-100k", ML_100K | {"u.data": text})
    refused(
        "u.data line 6: rating 9 is not on the scale 1 to 5 in steps of 1 "
        "(the first of 3 faulty rows)",
        "movielens",
        root=str(tmp_path),
    )


def test_faulty_row_in_an_archive_is_named_by_its_member(tmp_path: Path) -> None:
    files = ML_1M | {"ratings.dat": ML_1M["ratings.dat"] + "2::20::x::1\n"}
    pack(tmp_path / "ml-1m.zip", files, "ml-1m/")
    refused(
        "ml-1m.zip/ml-1m/ratings.dat line 4: rating 'x' is not a number",
        "movielens",
        version="1m",
        root=str(tmp_path),
    )


def test_title_of_a_million_characters_is_refused_and_a_shorter_one_read(tmp_path: Path) -> None:
    items = ML_100K["u.item"] + item_line(50, "y" * 10**6, 1)
    write(tmp_path / "long" / "ml-100k", ML_100K | {"u.item": items})
    refused("u.item line", "movielens", root=str(tmp_path / "long"))
    title = "y" * 900_000
    items = ML_100K["u.item"] + item_line(50, f"{title} (1999)", 1)
    files = ML_100K | {"u.data": ML_100K["u.data"] + "1\t50\t3\t1\n", "u.item": items}
    write(tmp_path / "ml-100k", files)
    data = load("movielens", root=str(tmp_path))
    assert data.item_text is not None
    assert len(data.item_text[-1]) > 900_000


def test_broken_archives_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "ml-100k.zip"
    archive.write_text("<html>not found</html>")
    refused("ml-100k.zip is not a whole zip archive", "movielens", root=str(tmp_path))
    pack(archive, ML_100K, "ml-100k/")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    refused("ml-100k.zip is not a whole zip archive", "movielens", root=str(tmp_path))
    archive.write_bytes(whole[:60] + bytes([whole[60] ^ 0xFF]) + whole[61:])
    refused("ml-100k.zip", "movielens", root=str(tmp_path))
    archive.unlink()
    archive.mkdir()
    refused("ml-100k.zip is a folder, not a zip archive", "movielens", root=str(tmp_path))


def test_incomplete_archive_or_folder_names_what_it_lacks(tmp_path: Path) -> None:
    some = {"u.data": ML_100K["u.data"]}
    pack(tmp_path / "a" / "ml-100k.zip", some, "ml-100k/")
    refused("lacks u.item, u.user", "movielens", root=str(tmp_path / "a"))
    write(tmp_path / "b" / "ml-100k", some)
    refused("lacks u.item, u.user", "movielens", root=str(tmp_path / "b"))


def test_a_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ML_100K)
    (tmp_path / "ml-100k" / "u.data").unlink()
    (tmp_path / "ml-100k" / "u.data").mkdir()
    refused("u.data is a folder, not a file", "movielens", root=str(tmp_path))


def test_empty_file_and_header_alone_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ML_100K | {"u.data": "\n \n"})
    refused("u.data is empty", "movielens", root=str(tmp_path))
    head = ML_CSV["ratings.csv"].splitlines()[0]
    write(tmp_path / "ml-latest-small", ML_CSV | {"ratings.csv": f"{head}\n"})
    refused(
        "ratings.csv has a header and no rows",
        "movielens",
        version="latest-small",
        root=str(tmp_path),
    )


def test_films_without_a_line_are_an_error_or_counted(tmp_path: Path) -> None:
    items = "".join(ML_100K["u.item"].splitlines(keepends=True)[1:])
    write(tmp_path / "ml-100k", ML_100K | {"u.item": items})
    fault = refused(
        "u.item lacks 1 of 3 rated items, first item 10", "movielens", root=str(tmp_path)
    )
    assert "data.missing=keep" in fault.remedy
    data = load("movielens", root=str(tmp_path), missing="keep")
    notes = counted(data, "items")
    assert notes["rated items without a line in the items file: kept, no attributes"] == 1
    assert data.item_ids.tolist() == [10, 20, 30]


def test_one_user_is_refused(tmp_path: Path) -> None:
    rows = [row for row in ML_100K["u.data"].splitlines(keepends=True) if row.startswith("1\t")]
    write(tmp_path / "ml-100k", ML_100K | {"u.data": "".join(rows)})
    refused("only 1 user in 2 interactions", "movielens", root=str(tmp_path))


def test_scale_of_the_wrong_form_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ML_100K)
    refused("data.scale=[5,1]", "movielens", root=str(tmp_path), scale=[5, 1])
    refused("data.scale=[1]", "movielens", root=str(tmp_path), scale=[1])


def test_words_out_of_range_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "ml-100k", ML_100K)
    for keys in ({"positive": 6}, {"positive": 0.5}, {"missing": "drop"}, {"zip_prefix": -1}):
        refused(f"data.{next(iter(keys))}=", "movielens", root=str(tmp_path), **keys)
    refused("is a file", "movielens", root=str(tmp_path / "ml-100k" / "u.data"))
    (tmp_path / "none").mkdir()
    refused("data.timeout=0", "movielens", root=str(tmp_path / "none"), timeout=0)


@pytest.mark.slow
def test_one_faulty_row_of_many_is_found_by_its_line(tmp_path: Path) -> None:
    rows = "".join(f"{n % 997}::{10 + n % 2 * 10}::3::{n}\n" for n in range(200_000))
    files = ML_1M | {"ratings.dat": f"{rows}1::10::?::1\n"}
    write(tmp_path / "ml-1m", files)
    refused("ratings.dat line 200001: rating '?'", "movielens", version="1m", root=str(tmp_path))


REAL = {
    "100k": (943, 1682, 100_000, [6110, 11370, 27145, 34174, 21201]),
    "1m": (6040, 3706, 1_000_209, [56174, 107557, 261197, 348971, 226310]),
    "latest-small": (671, 9066, 100_004, None),
}


@pytest.mark.parametrize("version", REAL)
def test_real_counts(real_data: Path, version: str) -> None:
    names = VERSIONS[version].wanted
    if not any((real_data / name).exists() for name in (*names.archives, *names.folders)):
        pytest.skip(f"FEWREC_DATA has no {names.names}")
    data = load("movielens", version=version)
    users, items, rows, ratings = REAL[version]
    assert (data.n_users, data.n_items, len(data.interactions)) == (users, items, rows)
    if ratings is not None:
        assert np.bincount(data.interactions.rating.astype(int))[1:].tolist() == ratings
