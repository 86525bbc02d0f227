"""The Book-Crossing reader."""

from pathlib import Path

import pytest

from fewrec_cli.data.base import DataSource
from tests.contracts import DatasetContract
from tests.data.reading import counted, load, pack, reader, refused, write

pytestmark = pytest.mark.usefixtures("folder")

FILES = {
    "BX-Book-Ratings.csv": '"User-ID";"ISBN";"Book-Rating"\n"1";"0001";"8"\n"2";"0001";"0"\n'
    '"2";"000X";"5"\n"1";"000X";"0"\n"3";"gone";"10"\n',
    "BX-Books.csv": '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"S"\n'
    '"0001";"War &amp; \\"Peace\\"; again";"L. Tolst\xf6i";"1869";"Ark";"u"\n'
    '"000X";"Nameless";"";"0";"Ark";"u"\n"0009";"Unread";"N. N.";"1999";"Ark";"u"\n',
    "BX-Users.csv": '"User-ID";"Location";"Age"\n"1";"bonn, nrw, germany";"30"\n'
    '"2";"paris, france";NULL\n"3";"oslo, , norway";"150"\n',
}


class TestBookCrossing(DatasetContract):
    def source(self, folder: Path) -> DataSource:
        return reader("bookcrossing", root=str(write(folder, FILES)), rare=1)


def test_explicit_rows_are_read_and_the_others_counted(tmp_path: Path) -> None:
    data = load("bookcrossing", root=str(write(tmp_path, FILES)), rare=1)
    assert data.interactions.rating.tolist() == [8, 5, 10]
    assert data.item_ids.tolist() == ["0001", "000X", "gone"]
    assert data.item_year is not None
    assert data.item_year.tolist() == [1869, 0, 0]
    assert data.item_text is not None
    assert data.item_text[0] == 'War & "Peace"; again, by L. Tolst\xf6i.'
    assert counted(data, "implicit") == {"rows rated 0 (seen, not rated): left out": 2}
    assert counted(data, "items") == {
        "rated items without a line in the items file: kept, no attributes": 1,
        "items of the items file without a rating: left out": 1,
    }
    assert data.user_fields[0].vocabulary == ("france", "germany", "norway")


@pytest.mark.parametrize(("policy", "rows"), [("only", 2), ("all", 5)])
def test_unrated_rows_can_be_the_data(tmp_path: Path, policy: str, rows: int) -> None:
    data = load("bookcrossing", root=str(write(tmp_path, FILES)), implicit=policy)
    assert data.implicit
    assert data.interactions.rating.tolist() == [1] * rows


def test_archive_is_the_same_and_absence_is_told(tmp_path: Path) -> None:
    loose = load("bookcrossing", root=str(write(tmp_path / "a", FILES)))
    pack(tmp_path / "b" / "BX-CSV-Dump.zip", FILES)
    assert load("bookcrossing", root=str(tmp_path / "b")).hash == loose.hash
    (tmp_path / "c").mkdir()
    fault = refused("Book-Crossing not found", "bookcrossing", root=str(tmp_path / "c"))
    assert "BX-CSV-Dump.zip" in fault.remedy


def test_bad_rows_and_policies_are_refused(tmp_path: Path) -> None:
    root = str(write(tmp_path, FILES))
    refused("data.implicit=no is no policy", "bookcrossing", root=root, implicit="no")
    refused("lacks 1 of 3 rated items", "bookcrossing", root=root, missing="error")
    write(tmp_path, {"BX-Book-Ratings.csv": FILES["BX-Book-Ratings.csv"] + '"1";"9";"11"\n'})
    refused("BX-Book-Ratings.csv line 7: rating 11 is not on the scale", "bookcrossing", root=root)


def test_real_counts(real_data: Path) -> None:
    if not (real_data / "BX-CSV-Dump.zip").exists():
        pytest.skip("FEWREC_DATA has no BX-CSV-Dump.zip")
    data = load("bookcrossing")
    assert (data.n_users, data.n_items, len(data.interactions)) == (1295, 14684, 62656)
    assert counted(data, "implicit") == {"rows rated 0 (seen, not rated): left out": 210_022}
