"""The reader of the anime database."""

from pathlib import Path

import pytest

from fewrec_cli.data.base import DataSource
from tests.contracts import DatasetContract
from tests.data.reading import counted, load, pack, reader, refused, write

pytestmark = pytest.mark.usefixtures("folder")

FILES = {
    "rating.csv": "user_id,anime_id,rating\n1,5,8\n1,6,-1\n2,6,10\n2,5,3\n3,7,-1\n",
    "anime.csv": "anime_id,name,genre,type,episodes,rating,members\n"
    '5,Tom &amp; Co,"Comedy, Kids",TV,26,7.1,100\n6,Alone,Drama,Movie,1,8,50\n'
    "7,Odd,,,Unknown,,10\n8,New,Drama,TV,12,9,5\n",
}


class TestAnime(DatasetContract):
    def source(self, folder: Path) -> DataSource:
        return reader("anime", root=str(write(folder, FILES)), rare=1)


def test_rated_rows_are_read_and_the_others_counted(tmp_path: Path) -> None:
    data = load("anime", root=str(write(tmp_path, FILES)), rare=1)
    assert data.interactions.rating.tolist() == [8, 10, 3]
    assert (data.n_users, data.item_ids.tolist()) == (2, [5, 6])
    assert data.item_text == ("Tom & Co. Comedy, Kids.", "Alone. Drama.")
    assert counted(data, "implicit") == {"rows rated -1 (seen, not rated): left out": 2}
    assert [f.name for f in data.item_fields] == ["genres", "type", "log episodes"]


def test_all_rows_can_be_implicit_data(tmp_path: Path) -> None:
    data = load("anime", root=str(write(tmp_path, FILES)), implicit="all")
    assert data.implicit
    assert len(data.interactions) == 5


def test_archive_is_the_same_and_faults_are_named(tmp_path: Path) -> None:
    loose = load("anime", root=str(write(tmp_path / "a", FILES)))
    pack(tmp_path / "b" / "anime-recommendations-database.zip", FILES)
    assert load("anime", root=str(tmp_path / "b")).hash == loose.hash
    write(tmp_path / "a", {"rating.csv": FILES["rating.csv"] + "1,8,0\n"})
    refused("rating.csv line 7: rating 0 is not on the scale", "anime", root=str(tmp_path / "a"))
    (tmp_path / "c").mkdir()
    refused("not found", "anime", root=str(tmp_path / "c"))


def test_real_counts(real_data: Path) -> None:
    if not (real_data / "anime-recommendations-database.zip").exists():
        pytest.skip("FEWREC_DATA has no anime-recommendations-database.zip")
    data = load("anime")
    assert (data.n_users, len(data.interactions)) == (4714, 419_943)
