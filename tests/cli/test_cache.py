"""What stands in the cache can be read and removed without loading anything heavy."""

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fewrec_cli.cli.cache import made_of
from fewrec_cli.core.cache import adding, cache_folder, entries, find

if TYPE_CHECKING:
    from tests.cli.conftest import Call


def make(kind: str, size: int = 3000, **facts: object) -> Path:
    with adding(kind, facts) as folder:
        (folder / "a.bin").write_bytes(bytes(size))
    found = find(kind, facts)
    assert found is not None
    return found


def aged(folder: Path, seconds: float) -> None:
    text = (folder / "entry.json").read_text()
    made = text.partition('"made": ')[2].partition(",")[0]
    (folder / "entry.json").write_text(text.replace(made, str(time.time() - seconds)))


def test_an_empty_cache_is_no_fault(fewrec: "Call") -> None:
    assert fewrec("cache", "list").out == f"0 entries, 0 B in {cache_folder()}\n"
    done = fewrec("cache", "clear", "vectors")
    assert (done.code, done.out) == (0, f"0 entries removed from {cache_folder()}, 0 B freed\n")
    assert not cache_folder().exists()


def test_entries_are_told_with_what_they_were_made_of_size_and_age(fewrec: "Call") -> None:
    aged(make("pretrained", shown="data, mf, maml, seed 0", seed=0), 7300)
    aged(make("vectors", 3 << 20, language="minilm", texts="f" * 64, count=3883), 90)
    lines = fewrec("cache", "list").out.splitlines()
    assert lines[0].split() == ["kind", "made", "of", "size", "age"]
    assert lines[1].split("  ", 1)[0] == "pretrained"
    assert "data, mf, maml, seed 0" in lines[1]
    assert lines[1].endswith("2 hours")
    assert "language=minilm, count=3883" in lines[2]
    assert lines[2].endswith("3.0 MiB  1 minute")
    assert lines[-1].startswith("2 entries, 3.0 MiB in ")
    assert (
        len({line.index(word) for line, word in zip(lines[1:3], ("data", "lang"), strict=True)})
        == 1
    )
    only = fewrec("cache", "list", "vectors").out
    assert "minilm" in only
    assert "maml" not in only


def test_entries_that_look_alike_are_told_apart_by_their_words(fewrec: "Call") -> None:
    for tuned in ("head", "last:1"):
        words = {"tuned": tuned, "adapter": {"tuned": tuned}}
        make("pretrained", shown="data, bert", backbone={"score": "cross", **words}, seed=0)
    make("pretrained", shown="data, mf", backbone={"tuned": "all"}, seed=0)
    lines = fewrec("cache", "list").out.splitlines()[1:4]
    named = {line.split("  ")[1].strip() for line in lines}
    assert named == {
        "data, bert (backbone.tuned=head)",
        "data, bert (backbone.tuned=last:1)",
        "data, mf",
    }


def test_what_cannot_be_used_any_more_is_marked_and_cleared_alone(
    fewrec: "Call", monkeypatch: pytest.MonkeyPatch
) -> None:
    good, broken, old = (make("vectors", name=name) for name in ("good", "broken", "old"))
    (broken / "a.bin").write_bytes(b"")
    text = (old / "entry.json").read_text()
    (old / "entry.json").write_text(text.replace('"code": "', '"code": "0'))
    lines = fewrec("cache", "list").out.splitlines()
    marks = {line.split()[1]: line.split("now")[1].strip() for line in lines[1:4]}
    assert marks == {"name=good": "", "name=broken": "damaged", "name=old": "other code"}
    assert lines[-1].endswith("; 2 cannot be used any more (fewrec cache clear --stale)")
    assert "name=good" not in fewrec("cache", "list", "--stale").out
    assert fewrec("cache", "clear", "--stale").out.startswith("2 entries removed from ")
    assert [entry.folder for entry in entries()] == [good]


def test_clearing_says_what_it_freed(fewrec: "Call") -> None:
    make("vectors", 2 << 20, a=1)
    kept = make("pretrained", 2 << 20, a=1)
    done = fewrec("cache", "clear", "vectors")
    assert done.out == f"1 entry removed from {cache_folder()}, 2.0 MiB freed\n"
    assert [entry.folder for entry in entries()] == [kept]
    assert fewrec("cache", "clear").out.startswith("1 entry removed")
    assert entries() == []


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        ((), "cache lacks what to do", "write fewrec cache list, or fewrec cache clear"),
        (("lsit",), "cache cannot 'lsit'", "did you mean 'list'?"),
        (("clear", "vector"), "the cache has no kind 'vector'", "did you mean 'vectors'?"),
        (("clear", "--all"), "the cache has no flag '--all'", "one of: --stale"),
        (("list", "xyz"), "the cache has no kind 'xyz'", "one of: pretrained, vectors, language"),
    ],
)
def test_wrong_words_remove_nothing(
    words: tuple[str, ...], problem: str, remedy: str, fewrec: "Call"
) -> None:
    folder = make("vectors")
    done = fewrec("cache", *words)
    assert done.code == 2
    first, second = done.err.splitlines()
    assert first == f"error: {problem}"
    assert second.startswith(f"  {remedy}")
    assert folder.is_dir()


def test_a_terminal_gets_a_table(fewrec: "Call", monkeypatch: pytest.MonkeyPatch) -> None:
    make("pretrained", shown="movielens-1m, [all] rows")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    out = fewrec("cache", "list").out
    assert "──" in out
    assert "[all] rows" in out
    plain = re.sub(r"\x1b\[\d*m", "", out)
    assert max(map(len, plain.splitlines()[:-1])) <= 80


def test_facts_that_are_too_long_for_a_line_are_left_out(fewrec: "Call") -> None:
    make("language", hash="f" * 64, steps=100, of={"a": 1}, note="short")
    make("other", hash="f" * 64)
    assert [made_of(entry) for entry in entries()] == ["steps=100, note=short", "?"]


def test_completion_offers_actions_and_the_kinds_there_are(
    fewrec: "Call", monkeypatch: pytest.MonkeyPatch
) -> None:
    make("vectors")

    def answered(typed: str) -> list[str]:
        monkeypatch.setenv("COMP_LINE", typed)
        return fewrec("-sc", "query=bash").out.split()

    assert answered("fewrec cach") == ["cache"]
    assert answered("fewrec cache ") == ["list", "clear"]
    assert answered("fewrec cache clear ") == ["vectors", "--stale"]
    assert answered("fewrec cache clear vectors --s") == ["--stale"]


def test_an_entry_that_cannot_be_removed_is_told_in_two_lines(
    fewrec: "Call", monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make("vectors")

    def refused(self: Path, target: Path) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "rename", refused)
    done = fewrec("cache", "clear")
    assert done.code == 2
    assert done.err.splitlines()[0] == f"error: cannot remove {folder}: Permission denied"
