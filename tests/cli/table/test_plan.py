"""From a table to its runs: words, folders, minutes, and what has finished."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fewrec_cli.cli.catalogue import catalogue
from fewrec_cli.cli.faults import compose_words, composing, without_hydra
from fewrec_cli.cli.resolve import config_hash
from fewrec_cli.cli.table.execute import ready
from fewrec_cli.cli.table.plan import Plan, count_of, plan_of
from fewrec_cli.cli.table.read import read_spec
from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import Faults
from tests.cli.table.conftest import ONE_RUN, Write, write_table

pytestmark = pytest.mark.slow


def planned(path: Path, home: Path, words: tuple[str, ...] = ()) -> Plan:
    return plan_of(read_spec("small", path), catalogue(), home / "small", words=words)


def chosen(words: tuple[str, ...]) -> Mapping[str, str]:
    return dict(word.split("=", 1) for word in words)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("planned")
    return planned(write_table(folder), folder)


def test_every_row_is_run_in_its_sections_with_its_repeats(plan: Plan) -> None:
    assert [run.label for run in plan.runs] == [
        "maml, new users A",
        "ridge, new users A, seed=0",
        "ridge, new users A, seed=1",
        "maml, new users B",
        "ridge, new users B, seed=0",
        "ridge, new users B, seed=1",
        "maml, few users A",
    ]
    assert [run.minutes for run in plan.runs] == [1, 4, 4, 2, 4, 4, 1]
    assert count_of(plan.spec) == (7, 20)


def test_later_words_win_and_a_new_group_starts_afresh(plan: Plan) -> None:
    maml, ridge = chosen(plan.runs[3].words), chosen(plan.runs[5].words)
    assert maml["strategy"] == "maml"
    assert maml["strategy.epochs"] == "7"
    assert maml["scenario.validation"] == "0.3"
    assert ridge["strategy"] == "transfer"
    assert ridge["strategy.epochs"] == "2"
    assert ridge["strategy.rows_per_step"] == "64"
    assert ridge["seed"] == "1"
    assert chosen(plan.runs[6].words)["seed"] == "3"


def test_the_hash_is_that_of_the_run_s_own_config(plan: Plan) -> None:
    for run in plan.runs[1:3]:
        line = Line("train", (), run.words)
        with composing(line):
            cfg = without_hydra(compose_words(line, run.words))
        assert run.hash == config_hash(cfg)
        assert run.folder.name.endswith(f"-{run.hash}")


def test_finished_runs_of_any_table_are_not_run_again(table_file: Write, tmp_path: Path) -> None:
    path = table_file(**ONE_RUN | {"table.repeat": {"seed": [0, 1]}})
    first = planned(path, tmp_path)
    other = tmp_path / "another" / "runs" / f"a-name-{first.runs[0].hash}"
    half = first.runs[1].folder
    for folder in (other, half):
        folder.mkdir(parents=True)
    (other / "metrics.json").touch()
    path = table_file(**ONE_RUN | {"table.repeat": {"seed": [0, 1]}, "table.title": "Renamed"})
    again = planned(path, tmp_path)
    assert [run.finished for run in again.runs] == [True, False]
    assert again.runs[0].folder == other
    assert [run.hash for run in again.missing] == [first.runs[1].hash]


def test_words_of_the_line_go_to_every_run(table_file: Write, tmp_path: Path) -> None:
    runs = planned(table_file(**ONE_RUN), tmp_path, ("scenario.draws=9",)).runs
    assert {chosen(run.words)["scenario.draws"] for run in runs} == {"9"}


WRONG: dict[str, tuple[Any, str]] = {
    "key": (["strategy.iner_lr=1"], "strategy.iner_lr is not an option of strategy=maml"),
    "type": (["strategy.epochs=many"], "strategy.epochs must be a whole number, got 'many'"),
}


@pytest.mark.parametrize(("words", "problem"), WRONG.values(), ids=WRONG.keys())
def test_wrong_words_are_told_before_anything_runs(
    table_file: Write, tmp_path: Path, words: list[str], problem: str
) -> None:
    path = table_file(**ONE_RUN | {"table.rows.maml.words": words})
    with pytest.raises(Faults) as caught:
        planned(path, tmp_path)
    assert problem in caught.value.faults[0].problem


def test_a_part_of_a_table(plan: Plan) -> None:
    assert len(plan.only(["ridge"], ()).runs) == 4
    assert len(plan.only((), ["few users"]).runs) == 1


@pytest.mark.slow
def test_few_runs_hold_every_row_and_section(table_file: Write, tmp_path: Path) -> None:
    path = table_file(**{"table.repeat": {"seed": [5, 6, 7]}})
    few = plan_of(read_spec("small", path), catalogue(), tmp_path / "small", few=True)
    assert [run.label for run in few.runs] == [
        "maml, new users A, seed=5",
        "maml, new users A, seed=6",
        "ridge, new users A, seed=0",
        "maml, new users B, seed=5",
        "maml, few users A",
    ]


JOINED = ONE_RUN | {
    "table.rows": {
        "maml": {"minutes": 1, "repeat": {"seed": [0, 1]}},
        "reptile": {"words": ["strategy=reptile"], "minutes": 3},
        "joined": {"words": ["strategy=blend"], "of": ["maml"], "minutes": 2},
    }
}


@pytest.mark.slow
def test_a_wrong_word_is_told_without_what_follows_from_it(
    table_file: Write, tmp_path: Path
) -> None:
    rows = {name: row for name, row in JOINED["table.rows"].items() if name != "reptile"}
    path = table_file(**JOINED | {"table.rows": rows})
    with pytest.raises(Faults) as caught:
        planned(path, tmp_path, ("scenario.draw=2",))
    (fault,) = caught.value.faults
    assert fault.problem == "scenario.draw is not an option of scenario=user_cold"


@pytest.mark.slow
def test_a_row_made_of_others_names_their_runs_and_follows_them(
    table_file: Write, tmp_path: Path
) -> None:
    plan = planned(table_file(**JOINED), tmp_path)
    *members, _, joined = plan.runs
    assert [run.row for run in members] == ["maml", "maml"]
    assert joined.after == tuple(run.hash for run in members)
    folders = ",".join(f"'{run.folder.as_posix()}'" for run in members)
    assert chosen(joined.words)["strategy.runs"] == f"[{folders}]"
    assert [run.row for run in plan.only(["joined"], ()).runs] == ["maml", "maml", "joined"]
    elsewhere = replace(plan, runs=(*plan.runs, replace(members[0], hash="another section's")))
    assert elsewhere.only(["joined"], ()).runs == (*members, joined)
    assert ready(plan.runs, ()) == plan.runs[0]
    assert ready([joined], [members[1].hash]) is None
    assert ready([joined], []) == joined
    few = plan_of(plan.spec, catalogue(), tmp_path / "small", few=True)
    assert [run.row for run in few.runs] == ["maml", "maml", "reptile", "joined"]
