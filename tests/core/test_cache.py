"""Entries are found by what they were made of, are whole, and are never used otherwise."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest

from fewrec_cli.core import cache
from fewrec_cli.core.cache import adding, cache_folder, entries, find, keep, remove, turn
from fewrec_cli.core.errors import CacheError

FACTS = {"seed": 0, "data": "abc", "sizes": [1, 2], "of": {"b": 1, "a": None}}


def make(kind: str = "vectors", text: str = "one", **facts: object) -> Path:
    with adding(kind, {**FACTS, **facts}) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a.txt").write_text(text)
        (folder / "b.bin").write_bytes(bytes(range(100)))
    found = find(kind, {**FACTS, **facts})
    assert found is not None
    return found


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_entry_is_found_by_its_facts_and_holds_what_was_written() -> None:
    assert find("vectors", FACTS) is None
    folder = make()
    assert (folder / "inner" / "a.txt").read_text() == "one"
    assert (folder / "b.bin").read_bytes() == bytes(range(100))
    assert folder.parent == cache_folder() / "vectors"
    assert left_in(folder.parent) == [folder.name]


@pytest.mark.parametrize(
    "other",
    [
        {**FACTS, "seed": 1},
        {**FACTS, "seed": 0.5},
        {**FACTS, "seed": "0"},
        {**FACTS, "seed": False},
        {**FACTS, "sizes": [2, 1]},
        {**FACTS, "of": {"b": 1}},
        {**FACTS, "more": None},
        {key: value for key, value in FACTS.items() if key != "data"},
    ],
)
def test_other_facts_find_nothing(other: dict[str, object]) -> None:
    make()
    assert find("vectors", other) is None


def test_the_order_of_keys_counts_and_so_does_the_kind() -> None:
    make()
    assert find("vectors", dict(reversed(FACTS.items()))) is None
    assert find("language", FACTS) is None


def test_what_is_only_shown_counts_for_nothing() -> None:
    folder = make(shown="one, in words")
    assert find("vectors", {**FACTS, "shown": "one, in other words"}) == folder
    (entry,) = entries()
    assert (entry.shown, entry.facts) == ("one, in words", FACTS)


def test_other_code_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    monkeypatch.setattr(cache, "code_version", lambda _: "of tomorrow")
    assert find("vectors", FACTS) is None
    assert make() != folder


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_nothing(fault: type[BaseException]) -> None:
    def broken_off() -> None:
        with adding("vectors", FACTS) as folder:
            (folder / "a.txt").write_text("half")
            raise fault

    with pytest.raises(fault):
        broken_off()
    assert find("vectors", FACTS) is None
    assert left_in(cache_folder() / "vectors") == []


def changed(folder: Path) -> None:
    (folder / "b.bin").write_bytes(bytes(100))


def shortened(folder: Path) -> None:
    (folder / "b.bin").write_bytes(bytes(range(99)))


def gone(folder: Path) -> None:
    (folder / "inner" / "a.txt").unlink()


def further(folder: Path) -> None:
    (folder / "c.txt").write_text("what is this?")


def undescribed(folder: Path) -> None:
    (folder / "entry.json").unlink()


def torn(folder: Path) -> None:
    text = (folder / "entry.json").read_text()
    (folder / "entry.json").write_text(text[: len(text) // 2])


def no_mapping(folder: Path) -> None:
    (folder / "entry.json").write_text("[1]")


def lying(folder: Path) -> None:
    content = json.loads((folder / "entry.json").read_text())
    content["facts"]["seed"] = 7
    (folder / "entry.json").write_text(json.dumps(content))


def stale(folder: Path) -> None:
    content = json.loads((folder / "entry.json").read_text())
    content["code"] = "of yesterday"
    (folder / "entry.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (changed, "b.bin is not what was written"),
        (shortened, "b.bin has 99 bytes, not 100"),
        (gone, "inner/a.txt is missing"),
        (further, "c.txt is not one of its files"),
        (undescribed, "entry.json cannot be read (No such file or directory)"),
        (torn, "entry.json is damaged"),
        (no_mapping, "entry.json is damaged"),
        (lying, "it was made of something else"),
        (stale, "it was made of something else"),
    ],
)
def test_a_damaged_entry_is_told_of_not_used_and_made_anew(
    damage: object, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make()
    damage(folder)  # type: ignore[operator]
    told: list[str] = []
    assert find("vectors", FACTS, tell=told.append) is None
    assert told == [f"cache: vectors {folder.name[:8]} is not used: {reason}; it is made anew"]
    assert capsys.readouterr().err == ""
    assert find("vectors", FACTS) is None
    assert capsys.readouterr().err == told[0] + "\n"
    assert make(text="anew") == folder
    assert (folder / "inner" / "a.txt").read_text() == "anew"
    assert left_in(folder.parent) == [folder.name]


def test_the_first_of_two_whole_entries_stays() -> None:
    with adding("vectors", FACTS) as slow:
        (slow / "a.txt").write_text("slow")
        with adding("vectors", FACTS) as fast:
            (fast / "a.txt").write_text("fast")
    found = find("vectors", FACTS)
    assert found is not None
    assert (found / "a.txt").read_text() == "fast"
    assert left_in(found.parent) == [found.name]


RACE = """
import sys
from fewrec_cli.core.cache import adding, find
for number in range(20):
    facts = {"number": number}
    found = find("race", facts)
    if found is not None:
        assert len((found / "a.bin").read_bytes()) == 50_000
        continue
    with adding("race", facts) as folder:
        for name in "abc":
            (folder / f"{name}.bin").write_bytes(sys.argv[1].encode() * 50_000)
    found = find("race", facts)
    assert found is not None
    letters = {(found / f"{name}.bin").read_bytes()[:1] for name in "abc"}
    assert len(letters) == 1, letters
"""


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_processes_that_make_the_same_entries_at_once_end_with_one_of_each(damaged: bool) -> None:
    for number in range(20 if damaged else 0):
        with adding("race", {"number": number}) as folder:
            (folder / "a.bin").write_bytes(bytes(50_000))
    for entry in entries():
        (entry.folder / "a.bin").unlink()
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", RACE, letter], stderr=subprocess.PIPE)
            )
            for letter in "xyz"
        ]
        for one in running:
            _, errors = one.communicate(timeout=60)
            assert one.returncode == 0, errors.decode()
    assert len(entries()) == 20
    assert all(entry.whole for entry in entries())
    assert len(left_in(cache_folder() / "race")) == 20


def test_who_wants_what_another_is_making_waits_for_it() -> None:
    waits = Event()
    told: list[str] = []

    def waiting(text: str) -> None:
        told.append(text)
        waits.set()

    def wanted() -> str:
        with turn("vectors", FACTS, tell=waiting) as folder:
            assert folder is not None
            return (folder / "a.txt").read_text()

    with ThreadPoolExecutor() as pool:
        with turn("vectors", FACTS, tell=told.append) as folder:
            assert folder is None
            other = pool.submit(wanted)
            assert waits.wait(10)
            keep("vectors", FACTS, lambda part: (part / "a.txt").write_text("once"))
        assert other.result(10) == "once"
    (entry,) = entries()
    assert told == [f"cache: another process is making vectors {entry.hash[:8]}: waiting for it"]
    assert left_in(entry.folder.parent) == [entry.hash]


def test_the_turn_is_the_next_one_s_if_nothing_was_made() -> None:
    def broken_off() -> None:
        with turn("vectors", FACTS) as folder:
            assert folder is None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    with turn("vectors", FACTS) as folder:
        assert folder is None
    assert left_in(cache_folder() / "vectors") == []


def test_entries_are_listed_with_kind_size_and_facts() -> None:
    assert entries() == []
    before = time.time()
    first, second, other = make(), make(seed=1), make("language")
    (other / "b.bin").unlink()
    found = entries()
    assert [(one.kind, one.folder, one.whole) for one in found] == [
        ("language", other, False),
        ("vectors", second, True),
        ("vectors", first, True),
    ]
    assert found[1].facts == {**FACTS, "seed": 1}
    assert before <= found[2].made <= found[1].made <= time.time()
    sizes = [path.stat().st_size for path in first.rglob("*") if path.is_file()]
    assert found[2].bytes == sum(sizes)


def test_removed_entries_are_gone_and_their_bytes_counted() -> None:
    folder, kept = make(), make(seed=1)
    (chosen,) = [one for one in entries() if one.folder == folder]
    assert remove([chosen]) == chosen.bytes
    assert remove([chosen]) == 0
    assert [one.folder for one in entries()] == [kept]
    assert left_in(kept.parent) == [kept.name]
    assert (kept / "b.bin").exists()


def test_what_a_killed_process_left_is_no_entry_and_goes_a_day_later() -> None:
    folder = make()
    fresh, old = (folder.with_name(f".{folder.name}.{n}.part") for n in ("aa", "bb"))
    for one in (fresh, old):
        one.mkdir()
        (one / "a.txt").write_text("half")
    yesterday = time.time() - 25 * 3600
    for path in (old / "a.txt", old):
        os.utime(path, (yesterday, yesterday))
    assert [one.folder for one in entries()] == [folder]
    make(seed=1)
    assert fresh.exists()
    assert not old.exists()


def test_a_cache_that_cannot_be_written_to_is_told_in_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FEWREC_CACHE", str(tmp_path / "file"))
    assert find("vectors", FACTS) is None
    assert entries() == []
    with pytest.raises(CacheError, match="cannot write into the cache") as fault, adding("a", {}):
        pass
    assert fault.value.remedy == "choose another folder with FEWREC_CACHE=FOLDER"
    told: list[str] = []
    with turn("a", {}, tell=told.append) as folder:
        assert folder is None
        keep("a", {}, lambda _: None, tell=told.append)
    (line,) = told
    assert line.startswith(f"cache: a cannot be kept: cannot write into the cache {tmp_path}")


def test_the_user_s_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEWREC_CACHE")
    assert cache_folder().parts[-2:] == ("fewrec", "stages")
    monkeypatch.setenv("FEWREC_CACHE", "~/here")
    assert cache_folder() == Path.home() / "here"


@pytest.mark.parametrize("facts", [{"a": float("nan")}, {"a": {1, 2}}, {"a": Path()}])
def test_facts_are_json(facts: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        find("vectors", facts)
