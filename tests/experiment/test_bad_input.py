"""Bad input through the command: two lines, exit code 2, nothing half written."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.experiment.conftest import Call

pytestmark = pytest.mark.usefixtures("no_figure")
TABLE = ("data=table", "data.interactions=r.csv")
COLUMNS = ("data.columns.rating=stars", "data.columns.timestamp=when")
NO_ZIP = "ml-100k.zip is not a whole zip archive"
HEADER = "user_id,item_id,stars,when"
GOOD = [HEADER] + [
    f"u{user},i{(user + step) % 40},{1 + (user * step) % 5},{1000 + step}"
    for user in range(30)
    for step in range(20)
]


def write(*lines: str) -> None:
    Path("r.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def with_line(line: str) -> Callable[[], None]:
    """Write the good table with one bad line as number 12."""
    return lambda: write(*GOOD[:11], line, *GOOD[11:])


def with_bytes(content: bytes) -> Callable[[], None]:
    return lambda: Path("r.csv").write_bytes(content) and None


def good() -> None:
    write(*GOOD)


def folder_in_its_place() -> None:
    Path("r.csv").mkdir()


def items_file_with_gaps() -> None:
    good()
    Path("items.csv").write_text(
        "item_id,kind\n" + "".join(f"i{item},k{item % 2}\n" for item in range(30))
    )


def no_archive() -> None:
    Path("ml").mkdir()
    Path("ml/ml-100k.zip").write_bytes(b"<html>not found</html>")


def truncated_archive() -> None:
    Path("ml").mkdir()
    with zipfile.ZipFile("ml/ml-100k.zip", "w") as archive:
        archive.writestr("ml-100k/u.data", "1\t1\t5\t1\n" * 5000)
    whole = Path("ml/ml-100k.zip").read_bytes()
    Path("ml/ml-100k.zip").write_bytes(whole[: len(whole) // 2])


def faulty_parquet() -> None:
    frame = pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "stars": [3.0, 9.5]})
    frame.to_parquet("r.parquet")


DATA = {
    "missing file": (lambda: None, TABLE, "no file r.csv"),
    "no file named": (good, ("data=table",), "data=table has no file of interactions"),
    "not an archive": (no_archive, ("data=movielens", "data.root=ml"), NO_ZIP),
    "truncated zip": (truncated_archive, ("data=movielens", "data.root=ml"), NO_ZIP),
    "wrong encoding": (
        with_bytes("\n".join([*GOOD[:11], "ü,i1,3,5"]).encode("latin-1")),
        (*TABLE, *COLUMNS),
        "r.csv line 12: byte 0xfc is not utf-8",
    ),
    "too few fields": (with_line("u1,i1,3"), (*TABLE, *COLUMNS), "r.csv line 12: 3 fields"),
    "non-numeric rating": (
        with_line("u1,i39,good,5"),
        (*TABLE, *COLUMNS),
        "r.csv line 12: rating 'good' is not a number",
    ),
    "rating NaN": (
        with_line("u1,i39,NaN,5"),
        (*TABLE, *COLUMNS),
        "r.csv line 12: rating 'NaN' is not a finite number",
    ),
    "rating infinite": (
        with_line("u1,i39,inf,5"),
        (*TABLE, *COLUMNS),
        "r.csv line 12: rating 'inf' is not a finite number",
    ),
    "rating off the scale": (
        with_line("u1,i39,6,5"),
        (*TABLE, *COLUMNS, "data.scale=[1,5]"),
        "r.csv line 12: rating 6 is not on the scale 1 to 5",
    ),
    "rating off the scale in parquet": (
        faulty_parquet,
        ("data=table", "data.interactions=r.parquet", COLUMNS[0], "data.scale=[1,5]"),
        "r.parquet row 2: rating 9.5 is not on the scale 1 to 5",
    ),
    "negative timestamp": (
        with_line("u1,i39,3,-5"),
        (*TABLE, *COLUMNS),
        "r.csv line 12: timestamp -5 is negative",
    ),
    "timestamp with a fraction": (
        with_line("u1,i39,3,1.5"),
        (*TABLE, *COLUMNS),
        "r.csv line 12: timestamp '1.5' is not a whole number",
    ),
    "no such column": (
        good,
        (*TABLE, "data.columns.user=uid"),
        "no column 'uid' (data.columns.user); it has: user_id, item_id, stars, when",
    ),
    "empty file": (with_bytes(b""), (*TABLE, *COLUMNS), "r.csv is empty"),
    "header only": (lambda: write(HEADER), (*TABLE, *COLUMNS), "has a header and no rows"),
    "duplicates": (
        with_line(GOOD[5]),
        (*TABLE, *COLUMNS, "data.duplicates=error"),
        "1 rows repeat a (user, item) pair, e.g. user u0 and item i4",
    ),
    "one user": (
        lambda: write(*GOOD[:21]),
        (*TABLE, *COLUMNS),
        "only 1 user in 20 interactions",
    ),
    "no user with enough rows": (
        good,
        (*TABLE, *COLUMNS, "scenario.shots=15"),
        "no test task is left: none of 6 users with test ratings has 25 or more ratings",
    ),
    "short history refused": (
        lambda: write(*GOOD, "shy,i1,3,5", "shy2,i2,3,5", "shy3,i3,3,5"),
        (*TABLE, *COLUMNS, "scenario.short_history=error", "scenario.fraction=0.8"),
        "fewer than 15 ratings, needed for shots=5 plus 10 query",
    ),
    "items file with gaps": (
        items_file_with_gaps,
        (*TABLE, *COLUMNS, "data.items=items.csv"),
        "items.csv lacks 10 of 40 rated items, first item i30",
    ),
    "a field of a million characters": (
        with_line(f"u1,i39,{'x' * 1_000_000},5"),
        (*TABLE, *COLUMNS),
        "r.csv line 12 has 1,000,009 characters",
    ),
    "a folder": (folder_in_its_place, TABLE, "is a folder, not a file"),
}
WORDS = {
    "scenario.shots=-1": "-1",
    "scenario.curve=[0,-2]": "-2",
    "scenario.shots=some": "some",
    "scenario.query=0": "0",
    "scenario.draws=0": "0",
    "scenario.min_interactions=3": "3",
    "scenario.fraction=0": "0",
    "scenario.fraction=1": "1",
    "scenario.fraction=1.5": "1.5",
    "scenario.fraction=-0.2": "-0.2",
    "scenario.validation=1.0": "1.0",
    "scenario.candidates=sampled:0": "sampled:0",
    "evaluation.k=[0]": "0",
    "evaluation.k=[]": "empty",
    "evaluation.no_positive=two": "two",
}
"""Words and the value that the error quotes beside the key."""


def tree(folder: Path) -> dict[str, int]:
    """Every path below with its size."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*")}


@pytest.mark.parametrize(("prepare", "words", "problem"), DATA.values(), ids=DATA.keys())
def test_bad_data_end_in_two_lines_and_leave_nothing(
    prepare: Callable[[], None],
    words: tuple[str, ...],
    problem: str,
    folder: Path,
    no_real_data: None,
    fewrec: "Call",
) -> None:
    prepare()
    before = tree(folder)
    done = fewrec("train", *words, "trainer=cpu")
    assert done.code == 2, done.err
    assert problem in done.told
    assert len(done.told) < 400
    assert tree(folder) == before


@pytest.mark.parametrize(("word", "value"), WORDS.items(), ids=WORDS.keys())
def test_bad_words_end_in_two_lines_and_leave_nothing(
    word: str, value: str, folder: Path, fewrec: "Call"
) -> None:
    done = fewrec("train", "trainer=cpu", word)
    assert done.code == 2, done.err
    key = word.partition("=")[0]
    assert key in done.told
    assert value in done.told.replace(key, "")
    assert not tree(folder)


@pytest.mark.parametrize("name", ["missing file", "empty file", "too few fields", "one user"])
def test_data_check_tells_the_same(
    name: str, folder: Path, no_real_data: None, fewrec: "Call"
) -> None:
    prepare, words, problem = DATA[name]
    prepare()
    done = fewrec("data", "check", *words)
    assert done.code == 2
    assert done.err.splitlines()[-2].startswith("error: ")
    assert problem in done.err.splitlines()[-2]


def test_missing_movielens_without_a_network_says_what_to_fetch(
    folder: Path, no_real_data: None, fewrec: "Call"
) -> None:
    done = fewrec("train", "data=movielens", "trainer=cpu")
    assert done.code == 2
    assert "ml-100k.zip" in done.err
    assert "error: " in done.told
    assert not (folder / "outputs").exists()


def test_a_file_where_the_output_folder_should_be_is_told(folder: Path, fewrec: "Call") -> None:
    (folder / "taken").write_text("mine")
    done = fewrec("train", "trainer=cpu", "hydra.run.dir=taken/run")
    assert done.code == 2
    assert "cannot create the folder" in done.told
    assert "hydra.run.dir=FOLDER" in done.err
    assert tree(folder) == {"taken": 4}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder that refuses the superuser")
def test_a_folder_that_cannot_be_made_is_told(folder: Path, fewrec: "Call") -> None:
    done = fewrec("train", "trainer=cpu", "hydra.run.dir=/proc/nowhere/run")
    assert done.code == 2
    assert "cannot create the folder /proc/nowhere" in done.told


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_an_unwritable_output_folder_is_told(folder: Path, fewrec: "Call") -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o500)
    for where in (locked, locked / "run"):
        done = fewrec("train", "trainer=cpu", f"hydra.run.dir={where}")
        assert done.code == 2
        assert "folder" in done.told
    assert tree(folder) == tree(folder) | {"locked": locked.stat().st_size}
    assert not any(locked.iterdir())


@pytest.mark.slow
def test_no_shots_are_the_unadapted_score_and_no_mistake(
    folder: Path, fewrec: "Call", quick: tuple[str, ...]
) -> None:
    words = ("scenario.shots=0", "logger=none", "trainer.max_steps=1")
    assert "0 shots, 12 tasks" in fewrec("train", *quick, *words).out


@pytest.mark.slow
def test_what_is_dropped_is_counted(folder: Path, fewrec: "Call") -> None:
    write(*GOOD, GOOD[5], "shy,i1,3,5", *(f"short{n},i2,3,5" for n in range(20)))
    words = ("trainer=cpu", "trainer.max_steps=1", "logger=none", "scenario.validation=null")
    done = fewrec("train", *TABLE, *COLUMNS, *words)
    assert done.code == 0, done.err
    assert "duplicates (1): rows of a doubled (user, item) pair left out" in done.err
    assert "have fewer than 15 ratings, needed for shots=5 plus 10 query: dropped" in done.err
