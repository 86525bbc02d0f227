"""A table's file is read whole, and every mistake in it is told with its place."""

from pathlib import Path
from typing import Any

import pytest

from fewrec_cli.cli.catalogue import catalogue
from fewrec_cli.cli.table.read import named, read_spec, tables
from fewrec_cli.cli.table.spec import Cell
from fewrec_cli.core.errors import ConfigError, Faults
from fewrec_cli.report.model import Check, Published
from tests.cli.table.conftest import ONE_RUN, SMALL, Write


def test_every_part_of_a_file_is_read(table_file: Write) -> None:
    spec = read_spec("small", table_file())
    assert spec.words[:3] == ("data=synthetic", "strategy=maml", "data.users=60")
    assert "data.ratings_per_user=[24,36]" in spec.words
    assert spec.cells == (Cell("new users", "A"), Cell("new users", "B"), Cell("few users", "A"))
    assert spec.repeat == {"seed": ("0",)}
    assert spec.states["few users"].repeat == {"seed": ("3",)}
    assert spec.rows["maml"].minutes == (("*/B", 2.0), ("*", 1.0))
    assert spec.rows["ridge"].minutes == (("*", 4.0),)
    source = "Somebody, somewhere, table 2"
    assert spec.published == (
        Published("paper", "new users", "A", {"mae": 0.7}, source),
        Published("paper", "few users", "A", {"mae": 0.8}, source),
    )
    assert spec.checks == (
        Check("maml", "paper", "new users", "A", "mae", 9.0),
        Check("maml", "paper", "few users", "A", "mae", 9.0),
    )


def test_a_table_without_tracks_has_one_without_a_name(table_file: Write) -> None:
    path = table_file(**ONE_RUN | {"table.states": SMALL["table"]["states"]})
    assert read_spec("small", path).cells == (Cell("new users", ""), Cell("few users", ""))


PLAIN = {"table.rows": {"maml": {"minutes": 1}}}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "key": ({"table.titel": "x"}, "table.titel is read by nothing", "did you mean 'title'?"),
    "row's key": (
        {"table.rows.maml.wrods": []},
        "table.rows.maml.wrods is read by nothing",
        "did you mean 'words'?",
    ),
    "no minutes": ({"table.rows.maml": {}}, "table.rows.maml lacks minutes", "add minutes:"),
    "word": (
        {"table.rows.maml.words": ["strategy"]},
        "table.rows.maml.words[0] is no word KEY=VALUE: 'strategy'",
        "write strategy=VALUE",
    ),
    "pattern": (
        {"table.rows.maml.cells": ["new user"]},
        "fits no section: 'new user'",
        "did you mean",
    ),
    "track's state": (
        {"table.tracks.B.states": ["nobody"]},
        "table.tracks.B.states[0] names no state: 'nobody'",
        "one of: new users, few users",
    ),
    "published state": (
        {"table.published.paper.figures": {"new user": {"mae": 1}}, "table.checks": []},
        "stands in no section of track 'A'",
        "did you mean 'new users'?",
    ),
    "check's row": (
        {"table.checks": [{"row": "mamll", "published": "paper", "metric": "mae", "tolerance": 1}]},
        "names no row: 'mamll'",
        "did you mean 'maml'?",
    ),
    "check's metric": (
        {
            "table.checks": [
                {"row": "maml", "published": "paper", "track": "A", "metric": "x", "tolerance": 1}
            ]
        },
        "compares 'x', which 'paper' does not have in track 'A'",
        "name a metric",
    ),
    "size": ({"table.shots": ["few"]}, "is no support size: 'few'", "write a whole number"),
    "figure": (
        {"table.published.paper.figures": {"new users": {"mae": "low"}}},
        "must be a number of 0 or more, got 'low'",
        "write e.g.",
    ),
    "name": (
        {"table.states": {"a/b": {"words": []}}, "table.tracks": {}, **PLAIN}
        | {"table.published": {}, "table.checks": []},
        "has a part named 'a/b'",
        "leave out / and ,",
    ),
    "default": (
        {"defaults": [{"strategy": "maml"}]},
        "defaults[0] is not read by a table: {'strategy': 'maml'}",
        "write - override /GROUP: OPTION",
    ),
    "row of": (
        {"table.rows.ridge.of": ["mamll"]},
        "table.rows.ridge is made of 'mamll', which is no row above it",
        "did you mean 'maml'?",
    ),
    "row of a later one": ({"table.rows.maml.of": ["ridge"]}, "no row above it", "one of: none"),
    "row of one elsewhere": (
        {"table.rows.both": {"minutes": 1, "of": ["ridge"]}},
        "is made of 'ridge', which does not stand in few users A",
        "name the sections of both",
    ),
    "row against": (
        {"table.rows.ridge.against": "mamll"},
        "table.rows.ridge is compared with 'mamll', which is no other row",
        "did you mean 'maml'?",
    ),
    "row against itself": (
        {"table.rows.ridge.against": "ridge"},
        "is compared with 'ridge', which is no other row",
        "one of: maml",
    ),
    "row against one elsewhere": (
        {"table.rows.far": {"minutes": 1, "cells": ["few users"], "against": "ridge"}},
        "is compared with 'ridge', which stands in none of its sections",
        "name a section of both",
    ),
    "no rows": ({"table.rows": {}, "table.checks": []}, "table has no rows", "add one"),
}


@pytest.mark.parametrize(("changed", "problem", "remedy"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_told_with_its_place(
    table_file: Write, changed: dict[str, Any], problem: str, remedy: str
) -> None:
    with pytest.raises(Faults) as caught:
        read_spec("small", table_file(**changed))
    told = caught.value.faults
    assert any(problem in one.problem and remedy in one.remedy for one in told), told
    assert all(one.problem.startswith("table-small: ") for one in told)


def test_all_mistakes_are_told_together(table_file: Write) -> None:
    with pytest.raises(Faults) as caught:
        read_spec("small", table_file(**{"table.titel": "x", "table.rows.maml.wrods": []}))
    assert len(caught.value.faults) == 2


def test_a_file_without_a_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table-none.yaml"
    path.write_text("# @package _global_\nseed: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"table-none\.yaml holds no table:"):
        read_spec("none", path)


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table-none.yaml"
    path.write_text("table: [\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"table-none\.yaml cannot be read"):
        read_spec("none", path)


def test_a_table_is_named_with_or_without_its_prefix() -> None:
    assert named(catalogue(), "melu") == named(catalogue(), "table-melu")
    with pytest.raises(ConfigError, match="no table 'mellu'") as caught:
        named(catalogue(), "mellu")
    assert "did you mean 'melu'?" in caught.value.remedy


@pytest.mark.parametrize("name", sorted(tables(catalogue())))
def test_every_table_that_ships_can_be_read(name: str) -> None:
    spec = read_spec(*named(catalogue(), name))
    assert spec.chosen
    assert spec.title
    assert all(row.minutes for row in spec.rows.values())
    assert all(one.source for one in spec.published)
