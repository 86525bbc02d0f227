"""Further facts on films: joined by id, counted, and refused where they are of other films."""

from pathlib import Path

import pytest

from fewrec_cli.data.movielens_extra import FILE
from tests.data.reading import ML_1M, counted, load, refused, write

pytestmark = pytest.mark.usefixtures("folder")
ALIEN = "10::Alien::1979::R::22 Jun 1979::Horror, Sci-Fi::R. Scott"
LINES = (
    f"{ALIEN}::D. O'Bannon (screenplay), R. Shusett (story), R. Shusett (idea)::S. Weaver::Plot.::u"
    "\r\n20::L\xe9on::1994::N/A::N/A::N/A::L. Besson, R. Scott::N/A::J. Reno, S. Weaver::P.::u\r\n"
    "30::Unrated::1950::PG::N/A::Drama::N/A::N/A::N/A::P.::u\r\n"
)


def placed(folder: Path, lines: str = LINES, inside: str = "ml-1m-extra") -> dict[str, str]:
    """Write a small ML-1M and the file of facts; return the reader's keys."""
    write(folder / "ml-1m", ML_1M)
    write(folder / inside, {FILE: lines.encode()})
    return {"version": "1m", "root": str(folder), "extra": "auto"}


def test_facts_become_attributes_of_the_films(tmp_path: Path) -> None:
    data = load("movielens", **placed(tmp_path), rare=1)
    fields = {field.name: field for field in data.item_fields}
    assert list(fields)[3:] == ["class", "further genres", "directors", "writers", "actors"]
    assert fields["class"].vocabulary == ("R",)
    assert fields["class"].offsets.tolist() == [0, 1, 1]  # N/A is missing
    assert fields["further genres"].vocabulary == ("Horror", "Sci-Fi")
    assert fields["directors"].vocabulary == ("L. Besson", "R. Scott")
    assert fields["directors"].index.tolist() == [1, 0, 1]
    assert fields["directors"].weight.tolist() == [1.0, 0.5, 0.5]
    assert fields["writers"].vocabulary == ("D. O'Bannon", "R. Shusett")  # roles are left out
    assert fields["actors"].vocabulary == ("J. Reno", "S. Weaver")
    assert counted(data, "further facts") == {
        f"films joined by id: read from {FILE} in data.root": 2
    }
    assert data.sources[-1].name == FILE


def test_rare_names_fold_into_other(tmp_path: Path) -> None:
    data = load("movielens", **placed(tmp_path), rare=2)
    actors = next(field for field in data.item_fields if field.name == "actors")
    assert actors.vocabulary == ("S. Weaver", "other")


def test_a_film_without_a_line_is_counted_and_has_no_facts(tmp_path: Path) -> None:
    data = load("movielens", **placed(tmp_path, LINES.splitlines(keepends=True)[0]), rare=1)
    assert counted(data, "further facts") == {
        f"films joined by id: read from {FILE} in data.root": 1,
        f"rated films without a line in {FILE}: no further facts": 1,
    }
    assert all(len(field) == 2 for field in data.item_fields)


def test_facts_change_the_hash_and_nothing_else(tmp_path: Path) -> None:
    keys = placed(tmp_path)
    with_facts = load("movielens", **keys)
    without = load("movielens", **{**keys, "extra": None})
    assert with_facts.hash != without.hash
    assert repr(with_facts.item_fields[:3]) == repr(without.item_fields)
    assert with_facts.item_text == without.item_text
    assert [source.name for source in without.sources] == list(ML_1M)


@pytest.mark.parametrize("inside", ["", "ml-1m", "movielens", "movielens/ml-1m"])
def test_auto_looks_into_the_folders_that_people_have(tmp_path: Path, inside: str) -> None:
    keys = placed(tmp_path, inside=inside)
    assert load("movielens", **keys).hash == load("movielens", **placed(tmp_path)).hash
    named = {**keys, "extra": str(tmp_path / inside / FILE)}
    assert load("movielens", **named).hash == load("movielens", **keys).hash


def test_a_missing_file_is_told_with_the_places(tmp_path: Path) -> None:
    write(tmp_path / "ml-1m", ML_1M)
    keys = {"version": "1m", "root": str(tmp_path)}
    refused(
        f"data.extra=auto: no {FILE} in data.root={tmp_path}", "movielens", **keys, extra="auto"
    )
    absent = f"{tmp_path}/x.dat"
    fault = refused(f"data.extra: no file {absent}", "movielens", **keys, extra=absent)
    assert "data.extra=FILE" in fault.remedy
    folder = f"data.extra: {tmp_path} is a folder, not a file"
    refused(folder, "movielens", **keys, extra=str(tmp_path))


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (LINES.replace("1979", "1950").replace("1994", "1930"), "lists 2 of 2 rated film ids, 0"),
        (LINES.replace("10::Al", "11::Al").replace("20::L", "21::L"), "lists 0 of 2 rated film"),
        (LINES.replace("1994::", ""), "line 2"),
        ("", "is empty"),
    ],
)
def test_other_films_and_broken_lines_are_refused(tmp_path: Path, lines: str, problem: str) -> None:
    refused(problem, "movielens", **placed(tmp_path, lines))


@pytest.mark.slow
def test_real_facts_cover_nearly_all_rated_films(real_data_at: Path) -> None:
    data = load("movielens", version="1m", root=str(real_data_at), extra="auto", rare=2)
    assert (
        counted(data, "further facts")[f"rated films without a line in {FILE}: no further facts"]
        == 2
    )
    sizes = {field.name: len(field.vocabulary) for field in data.item_fields}
    assert sizes["class"] == 6
    assert sizes["directors"] == 749
    assert sizes["actors"] == 2279
    refused("467 of them with the same year", "movielens", root=str(real_data_at), extra="auto")


@pytest.fixture
def real_data_at(real_data: Path) -> Path:
    """The real data; skips where it lacks the facts."""
    if not (real_data / "ml-1m-extra" / FILE).exists():
        pytest.skip(f"the folder of real data has no {FILE}")
    return real_data
