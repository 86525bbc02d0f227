"""From run folders to a table: small cases whose figures are known by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fewrec_cli.core.errors import ConfigError, RunFolderError
from fewrec_cli.report.build import build
from fewrec_cli.report.group import Entry, entries_of
from fewrec_cli.report.model import Check, Published, Table, TableRow
from fewrec_cli.report.run import find_runs, read_run
from fewrec_cli.report.scores import read_scores
from tests.report.making import write_run

FLOOR = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]


def run(folder: Path, mae: Sequence[Sequence[float]], **more: object) -> Path:
    """Write a run of one model and one floor, two draws of three users."""
    name = str(more.pop("name", "maml"))
    floor = more.pop("floor", FLOOR)
    shots = more.pop("shots", 5)
    ranks = np.full(np.shape(mae), 0.5).tolist()
    rows = {
        (name, "model", shots): {"mae": mae, "ndcg@5": ranks},
        ("item mean", "floor", shots): {"mae": floor, "ndcg@5": ranks},
    }
    return write_run(folder, rows, **more)  # type: ignore[arg-type]


def table(*folders: Path, over: Sequence[str] = ("seed",), **more: object) -> Table:
    """Read and build as the command does."""
    grouped = entries_of(find_runs(folders).runs, over)
    return build(grouped.entries, notes=grouped.notes, resamples=200, **more)  # type: ignore[arg-type]


def row(found: Table, name: str, **more: object) -> TableRow:
    (one,) = (
        one
        for one in found.rows
        if one.row == name and all(getattr(one, key) == value for key, value in more.items())
    )
    return one


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


def test_the_same_draws_are_paired_whatever_their_order_in_the_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.normal(size=(2, 4, 30))
    users = [f"u{number}" for number in random.permutation(30)]
    first = run(tmp_path / "a", ours.tolist(), floor=theirs.tolist(), users=users)
    other = run(
        tmp_path / "b",
        (ours + 0.1).tolist(),
        floor=theirs.tolist(),
        users=users,
        name="reptile",
        words={"strategy._target_": "fewrec_cli.strategy.reptile.Reptile"},
    )
    found = table(first, other, against="reptile")
    versus = row(found, "maml").metrics["mae"].versus
    assert versus is not None
    assert versus.difference == pytest.approx(-0.1)
    assert versus.against == "reptile"
    assert row(found, "reptile").metrics["mae"].versus is None
    floor = row(table(first, other), "maml").metrics["mae"].versus
    expected = stats.ttest_rel(ours.mean(0), theirs.mean(0)).pvalue
    assert floor is not None
    assert floor.p == pytest.approx(expected)


def test_p_values_of_one_metric_are_corrected_together(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    floor = random.normal(1.0, 0.1, (2, 20))
    folders = [
        run(
            tmp_path / str(number),
            (floor - shift + random.normal(0.0, 0.2, (2, 20))).tolist(),
            floor=floor.tolist(),
            users=range(20),
            words={"strategy.inner_steps": number},
        )
        for number, shift in enumerate((0.3, 0.1, 0.0))
    ]
    found = table(*folders)
    names = [one.row for one in found.rows if one.kind == "model"]
    assert names == [f"maml (strategy.inner_steps={number})" for number in range(3)]
    versus = [row(found, name).metrics["mae"].versus for name in names]
    raw = [one.p for one in versus if one is not None and one.p is not None]
    best = row(found, names[0]).metrics["mae"]
    means = sorted((one.metrics["mae"].mean or 0.0, one.row) for one in found.rows)
    pairs = len(raw) + (means[1][1] != "item mean")  # the best against the next is one more
    for one in versus:
        assert one is not None
        assert one.p is not None
        assert one.p_holm is not None
        assert one.p <= one.p_holm <= min(1.0, pairs * one.p) + 1e-12
    smallest = min(raw)
    assert versus[0] is not None
    assert versus[0].p_holm == pytest.approx(min(1.0, smallest * pairs))
    assert best.best


def test_bold_needs_a_difference_that_holds(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    floor = random.normal(1.0, 0.1, (2, 20))
    near = floor + random.normal(-0.001, 0.2, (2, 20))
    found = table(run(tmp_path / "near", near.tolist(), floor=floor.tolist(), users=range(20)))
    assert not any(one.metrics["mae"].best for one in found.rows)
    far = run(tmp_path / "far", (floor - 0.5).tolist(), floor=floor.tolist(), users=range(20))
    assert row(table(far), "maml").metrics["mae"].best
    worse = run(tmp_path / "worse", (floor + 0.5).tolist(), floor=floor.tolist(), users=range(20))
    assert row(table(worse), "item mean").metrics["mae"].best  # a floor may be the best row
    paper = Published("MeLU-5", "user_cold", "", {"mae": 0.01}, "a paper")
    beaten = table(far, published=[paper])
    assert not row(beaten, "maml").metrics["mae"].best


def test_rows_of_other_episodes_are_not_paired(tmp_path: Path) -> None:
    first = run(tmp_path / "first", FLOOR, episodes="a" * 64)
    other = run(
        tmp_path / "other",
        FLOOR,
        name="reptile",
        episodes="b" * 64,
        words={"strategy._target_": "fewrec_cli.strategy.reptile.Reptile"},
    )
    with pytest.raises(RunFolderError) as refused:
        table(first, other, against="reptile")
    assert "'maml'" in str(refused.value)
    assert "'reptile'" in str(refused.value)
    assert "first (aaaaaaaaaaaa)" in str(refused.value)
    assert "other (bbbbbbbbbbbb)" in str(refused.value)
    found = table(first, other)  # each against the floor of its own episodes
    assert row(found, "maml").metrics["mae"].versus is not None
    assert any("not scored on the same episodes" in note for note in found.notes)


def test_rows_of_another_protocol_are_refused_too(tmp_path: Path) -> None:
    first = run(tmp_path / "first", FLOOR, episodes="a" * 64)
    words = {
        "strategy._target_": "fewrec_cli.strategy.reptile.Reptile",
        "scenario.seed": 1,
    }
    other = run(tmp_path / "other", FLOOR, name="reptile", episodes="b" * 64, words=words)
    found = table(first, other)
    assert [section.state for section in found.sections] == [
        "user_cold (scenario.seed=0)",
        "user_cold (scenario.seed=1)",
    ]
    with pytest.raises(RunFolderError, match="cannot pair 'maml' with 'reptile'"):
        table(first, other, against="reptile")


def test_splits_become_one_row_paired_split_by_split(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    folders, differences = [], []
    for split in range(3):
        users = random.choice(40, 15, replace=False)
        floor = random.normal(1.0, 0.1, (2, 15))
        ours = floor + random.normal(-0.05, 0.1, (2, 15))
        differences += list(zip(users, (ours - floor).mean(0), strict=True))
        folders.append(
            run(
                tmp_path / str(split),
                ours.tolist(),
                floor=floor.tolist(),
                users=users.tolist(),
                episodes=str(split) * 64,
                words={"scenario.seed": split},
            )
        )
    found = table(*folders, over=("scenario.seed",))
    maml = row(found, "maml")
    assert (maml.splits, maml.seeds, maml.tasks) == (3, (0,), 15)
    by_user: dict[int, list[float]] = {}
    for user, difference in differences:
        by_user.setdefault(user, []).append(difference)
    means = np.array([np.mean(some) for some in by_user.values()])
    versus = maml.metrics["mae"].versus
    assert versus is not None
    assert versus.users == len(means)
    assert versus.difference == pytest.approx(means.mean())
    assert versus.p == pytest.approx(stats.ttest_1samp(means, 0.0).pvalue)


def test_a_row_of_fewer_splits_is_told_and_never_in_bold(tmp_path: Path) -> None:
    reptile = {"strategy._target_": "fewrec_cli.strategy.reptile.Reptile"}
    random = np.random.default_rng(5)
    easy, hard = (random.normal(level, 0.01, (2, 9)).tolist() for level in (0.2, 2.0))
    more = {"users": range(9), "floor": np.full((2, 9), 3.0).tolist()}
    folders = [
        run(tmp_path / "a", easy, episodes="a" * 64, **more),
        run(tmp_path / "b", hard, episodes="b" * 64, words={"scenario.seed": 1}, **more),
        run(tmp_path / "c", easy, name="reptile", episodes="a" * 64, words=reptile, **more),
    ]
    found = table(*folders, over=("scenario.seed",))
    assert found.notes[0] == (
        "user_cold: 'reptile' was scored on 1 of 2 task splits; compare its differences, "
        "not its means."
    )
    assert row(found, "reptile").metrics["mae"].mean == pytest.approx(0.2, abs=0.01)
    assert not any(one.metrics["mae"].best for one in found.rows)
    assert row(found, "reptile").metrics["mae"].versus is not None


def test_undefined_figures_are_left_out_not_counted_as_zero(tmp_path: Path) -> None:
    nan = float("nan")
    found = table(run(tmp_path / "a", [[0.5, nan, 0.7], [nan, nan, 0.9]]))
    figure = row(found, "maml").metrics["mae"]
    assert figure.mean == pytest.approx((0.6 + 0.9) / 2)
    assert figure.versus is not None
    assert figure.versus.users == 2
    assert figure.versus.difference == pytest.approx((-0.5 + -0.2) / 2)


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


def test_floors_that_should_be_the_same_and_are_not_are_told(tmp_path: Path) -> None:
    other = {"strategy._target_": "fewrec_cli.strategy.reptile.Reptile"}
    first = run(tmp_path / "a", FLOOR)
    second = run(tmp_path / "b", FLOOR, floor=[[0.5] * 3] * 2, name="reptile", words=other)
    found = table(first, second)
    assert [one.row for one in found.rows].count("item mean") == 1
    assert "differs between a and b" in found.notes[0]


def test_floors_of_other_settings_stand_side_by_side(tmp_path: Path) -> None:
    first = run(tmp_path / "a", FLOOR)
    second = run(
        tmp_path / "b", FLOOR, floor=[[0.5] * 3] * 2, words={"evaluation.item_shrinkage": 10}
    )
    names = [one.row for one in table(first, second).rows if one.kind == "floor"]
    assert names == ["item mean", "item mean (evaluation.item_shrinkage=10)"]


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
