"""From run folders to a table: small cases whose figures are known by hand."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fewrec_cli.core.errors import ConfigError, RunFolderError
from fewrec_cli.report.build import build
from fewrec_cli.report.group import Entry
from fewrec_cli.report.layout import blocks
from fewrec_cli.report.model import Check, Published
from fewrec_cli.report.run import find_runs, read_run
from fewrec_cli.report.scores import read_scores
from tests.report.making import write_run
from tests.report.tabling import FLOOR, row, run, table


def test_one_run_keeps_its_figures(tmp_path: Path) -> None:
    done = run(tmp_path / "a", [[0.2, 0.4, 0.9], [0.4, 0.4, 1.3]])
    found = table(done)
    maml = row(found, "maml").metrics["mae"]
    assert maml.mean == pytest.approx(0.6)
    assert maml.sd == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert maml.sd_seeds is None
    versus = maml.versus
    assert versus is not None
    users = np.array([0.3, 0.4, 1.1]) - 1.0  # each user's mean over draws, minus the floor's
    assert versus.difference == pytest.approx(users.mean())
    assert versus.p == pytest.approx(stats.ttest_1samp(users, 0.0).pvalue)
    assert (versus.against, versus.users) == ("item mean", 3)
    assert row(found, "item mean").metrics["mae"].versus is None
    assert maml.low is not None
    assert maml.high is not None
    assert maml.low <= 0.6 <= maml.high


def test_seeds_become_one_row_and_floors_stand_once(tmp_path: Path) -> None:
    folders = [
        run(tmp_path / str(seed), [[0.5 + seed] * 3, [0.7 + seed] * 3], words={"seed": seed})
        for seed in (0, 1, 2)
    ]
    found = table(*folders)
    assert [one.row for one in found.rows] == ["maml", "item mean"]
    maml = row(found, "maml")
    assert maml.seeds == (0, 1, 2)
    figure = maml.metrics["mae"]
    assert figure.mean == pytest.approx(1.6)
    assert figure.sd == pytest.approx(np.std([1.5, 1.7], ddof=1))  # draws, seeds averaged
    assert figure.sd_seeds == pytest.approx(1.0)
    assert figure.versus is not None
    assert figure.versus.difference == pytest.approx(0.6)


def test_published_rows_stand_in_their_section_and_checks_say_pass_or_fail(tmp_path: Path) -> None:
    done = run(tmp_path / "a", [[0.6] * 3] * 2)
    papers = [
        Published("MeLU", "user_cold", "", {"mae": 0.62}, "Lee et al., KDD 2019, Table 2"),
        Published("MeLU", "item_cold", "", {"mae": 0.9}, "Lee et al., KDD 2019, Table 2"),
    ]
    checks = [
        Check("maml", "MeLU", "user_cold", "", "mae", 0.03),
        Check("maml", "MeLU", "user_cold", "", "mae", 0.01),
        Check("maml", "MeLU", "item_cold", "", "mae", 9.0),
        Check("maml", "nobody", "user_cold", "", "mae", 9.0),
    ]
    found = table(done, published=papers, checks=checks)
    assert [one.word for one in found.verdicts] == ["PASS", "FAIL", "FAIL", "FAIL"]
    assert [section.state for section in found.sections] == ["user_cold", "item_cold"]
    assert [one.row for one in found.rows] == ["maml", "MeLU", "item mean", "MeLU"]
    paper = row(found, "MeLU", state="user_cold")
    assert (paper.draws, paper.shots, paper.source) == (0, 5, "Lee et al., KDD 2019, Table 2")


def test_entries_may_be_named_and_placed_by_hand(tmp_path: Path) -> None:
    first, other = (
        read_run(run(tmp_path / name, FLOOR, episodes=name * 64)) for name in ("a", "b")
    )
    entries = [
        Entry("MeLU's shape", (first,), "user_cold", "P"),
        Entry("MeLU's shape", (other,), "item_cold", "P"),
    ]
    found = build(entries, states=["item_cold", "user_cold"], resamples=50)
    assert [section.title for section in found.sections] == ["item_cold, P", "user_cold, P"]
    assert {one.row for one in found.rows} == {"MeLU's shape", "item mean"}


def test_sizes_may_be_chosen(tmp_path: Path) -> None:
    rows = {
        (name, kind, shots): {"mae": [[0.5 if kind == "model" else 0.6] * 3] * 2}
        for shots in (0, 5, "all")
        for name, kind in (("maml", "model"), ("item mean", "floor"))
    }
    done = write_run(tmp_path / "a", rows)  # type: ignore[arg-type]
    assert {one.shots for one in table(done).rows} == {5}
    assert {one.shots for one in table(done).curve} == {0, 5, "all"}
    assert [one.shots for one in table(done, shots=[0, "all"]).rows] == [0, 0, "all", "all"]
    with pytest.raises(ConfigError, match="no run has 3 shots"):
        table(done, shots=[3])


def test_rows_of_one_name_and_other_sizes_are_one_line(tmp_path: Path) -> None:
    def entry(shots: int, trained: str, level: float) -> Entry:
        words = {"scenario.train": trained, "scenario.curve": [shots]}
        here = tmp_path / f"{trained}{shots}{level}"
        floor = [[level + 0.1] * 3] * 2
        run(here, [[level] * 3] * 2, shots=shots, floor=floor, words=words)
        return Entry(trained, (read_run(here),), "user_cold")

    entries = [entry(1, "target", 0.6), entry(5, "target", 0.5), entry(5, "source", 0.7)]
    made = build(entries, metrics=["mae"], shots=[1, 5], resamples=100)
    (grid, *_) = blocks(made)[0].grids
    assert [line[0].text for line in grid.lines] == [
        "target",
        "source",
        "item mean (scenario.train=target)",
        "item mean (scenario.train=source)",
    ]
    assert [cell.text[:5] for cell in grid.lines[0][1:]] == ["0.600", "0.500"]
    with pytest.raises(ConfigError, match="two rows are named 'target' at 5 shots"):
        build([*entries, entry(5, "target", 0.4)], metrics=["mae"], shots=[5], resamples=100)


def test_an_unadapted_model_is_told_by_the_column_of_no_shots(tmp_path: Path) -> None:
    rows = {
        (name, kind, shots): {"mae": [[0.5] * 3] * 2}
        for shots in (0, 5)
        for name, kind in (("maml", "model"), ("maml (unadapted)", "unadapted"))
    }
    done = write_run(tmp_path / "a", rows)  # type: ignore[arg-type]
    lines = {
        sizes: [line[0].text for line in blocks(table(done, shots=list(sizes)))[0].grids[0].lines]
        for sizes in ((0, 5), (5,))
    }
    assert lines[0, 5] == ["maml"]
    assert lines[5,] == ["maml", "maml (unadapted)"]


def test_the_size_of_the_model_is_shown_where_it_is_known(tmp_path: Path) -> None:
    known = run(tmp_path / "a", FLOOR, parameters={"trainable": 12, "adapted": None})
    size = row(table(known), "maml").parameters
    assert size is not None
    assert (size.trainable, size.adapted) == (12, None)
    assert row(table(known), "item mean").parameters is None
    assert row(table(run(tmp_path / "b", FLOOR)), "maml").parameters is None


def test_mistyped_names_are_told(tmp_path: Path) -> None:
    done = run(tmp_path / "a", FLOOR)
    with pytest.raises(ConfigError, match="did you mean 'maml'"):
        table(done, against="mamll")
    with pytest.raises(ConfigError, match="did you mean mae"):
        table(done, metrics=["maee"])


def test_a_repeated_run_counts_once(tmp_path: Path) -> None:
    folders = [run(tmp_path / name, FLOOR) for name in ("a", "b")]
    found = table(*folders)
    assert row(found, "maml").seeds == (0,)
    assert found.notes == ("1 run repeats another's words and seed: the newest is shown.",)


def test_metrics_that_are_not_shown_part_no_rows(tmp_path: Path) -> None:
    """One seed measured more than the other: one row, unless the table shows what only one has."""
    more = {"seed": 1, "evaluation.further": ["map_multi"]}
    ranks = {"ndcg@5": [[0.5] * 3] * 2, "map_multi@5": [[0.5] * 3] * 2}
    folders = [
        run(tmp_path / "a", FLOOR, words={"evaluation.further": []}),
        write_run(
            tmp_path / "b", {("maml", "model", 5): {"mae": FLOOR, **ranks}}, words=dict(more)
        ),
    ]
    found = table(*folders)
    assert [(one.row, one.seeds) for one in found.rows if one.kind == "model"] == [("maml", (0, 1))]
    parted = table(*folders, metrics=["mae", "map_multi@5"])
    assert [one.row for one in parted.rows if one.kind == "model"] == [
        "maml (evaluation.further=[])",
        "maml (evaluation.further=[map_multi])",
    ]


def test_a_repeat_that_measured_less_does_not_take_a_column_away(tmp_path: Path) -> None:
    ranks = {"ndcg@5": [[0.5] * 3] * 2, "ndcg@10": [[0.5] * 3] * 2}
    rows = {("maml", "model", 5): {"mae": FLOOR, **ranks}}
    wide = write_run(tmp_path / "a", rows, words={"evaluation.k": [5, 10]})  # type: ignore[arg-type]
    narrow = run(tmp_path / "b", [[0.5] * 3] * 2, words={"evaluation.k": [5]})  # the newest
    found = table(wide, narrow, metrics=["ndcg@10"])
    assert row(found, "maml (evaluation.k=[5,10])").metrics["ndcg@10"].mean == pytest.approx(0.5)
    assert row(table(wide, narrow, metrics=["mae"]), "maml").metrics["mae"].mean == 0.5


@pytest.mark.parametrize("word", ["strategy", "strategy/adapter", "scenario"])
def test_options_are_not_averaged_over(word: str, tmp_path: Path) -> None:
    done = run(tmp_path / "a", FLOOR)
    with pytest.raises(ConfigError, match=f"--over {word}: options are compared"):
        table(done, over=[word])


def test_a_word_that_is_the_same_everywhere_is_told(tmp_path: Path) -> None:
    found = table(run(tmp_path / "a", FLOOR), over=["scenario.seed"])
    assert found.notes == ("--over scenario.seed changed nothing: every run has scenario.seed=0.",)


def test_floors_that_should_be_the_same_and_are_not_are_told(tmp_path: Path) -> None:
    other = {"strategy._target_": "fewrec_cli.strategy.reptile.Reptile"}
    first = run(tmp_path / "a", FLOOR)
    second = run(tmp_path / "b", FLOOR, floor=[[0.5] * 3] * 2, name="reptile", words=other)
    found = table(first, second)
    assert [one.row for one in found.rows].count("item mean") == 1
    assert "differs between a and b" in found.notes[0]


def test_floors_that_differ_in_what_is_not_shown_are_no_news(tmp_path: Path) -> None:
    other = {"strategy._target_": "fewrec_cli.strategy.reptile.Reptile"}
    first = run(tmp_path / "a", FLOOR)
    second = run(tmp_path / "b", FLOOR, floor=[[0.5] * 3] * 2, name="reptile", words=other)
    assert table(first, second, metrics=["ndcg@5"]).notes == ()
    assert len(table(first, second, metrics=["ndcg@5", "mae"]).notes) == 1


def test_floors_of_other_settings_stand_side_by_side(tmp_path: Path) -> None:
    first = run(tmp_path / "a", FLOOR)
    second = run(
        tmp_path / "b", FLOOR, floor=[[0.5] * 3] * 2, words={"evaluation.item_shrinkage": 10}
    )
    names = [one.row for one in table(first, second).rows if one.kind == "floor"]
    assert names == ["item mean", "item mean (evaluation.item_shrinkage=10)"]


def test_equal_floors_of_other_settings_stand_once(tmp_path: Path) -> None:
    """Further attributes of items change the data's words and hash, and no floor."""
    first = run(tmp_path / "a", FLOOR)
    words = {"data.rare": 1, "strategy._target_": "fewrec_cli.strategy.reptile.Reptile"}
    second = run(tmp_path / "b", FLOOR, name="reptile", words=words)
    entries = [
        Entry(one.rows[0].row, (one,), "user_cold") for one in map(read_run, (first, second))
    ]
    names = [one.row for one in build(entries, metrics=["mae"]).rows if one.kind == "floor"]
    assert names == ["item mean"]


def test_files_of_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    first, other = run(tmp_path / "a", FLOOR), run(tmp_path / "b", [[0.4] * 3] * 2)
    (first / "tasks.parquet").write_bytes((other / "tasks.parquet").read_bytes())
    with pytest.raises(RunFolderError, match=r"metrics\.json and tasks\.parquet differ in mae"):
        read_scores(read_run(first), ["mae"])


def test_broken_folders_are_told(tmp_path: Path) -> None:
    done = run(tmp_path / "a", FLOOR)
    (done / "manifest.json").write_text("{")
    with pytest.raises(RunFolderError, match="cannot read the run"):
        read_run(done)
    (done / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match=r"manifest\.json missing"):
        read_run(done)
    (done / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match="holds no finished run, 1 unfinished"):
        find_runs([tmp_path])
    run(tmp_path / "b", FLOOR)
    found = find_runs([tmp_path, tmp_path / "b"])
    assert len(found.runs) == 1
    assert found.notes[0].startswith("1 unfinished run was passed over")
