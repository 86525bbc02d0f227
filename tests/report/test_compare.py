"""What is compared with what, and what is not: differences, corrections, bold."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.report.layout import blocks
from fewrec_cli.report.model import Published
from tests.report.tabling import FLOOR, row, run, table


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


def test_users_of_two_data_sets_may_be_numbers_and_texts(tmp_path: Path) -> None:
    figures = np.random.default_rng(2).normal(size=(2, 3)).tolist()
    words = {"data._target_": "fewrec_cli.data.pair.Pair"}
    one = run(tmp_path / "a", figures, users=(10, 9, 8))
    two = run(tmp_path / "b", figures, users=("b", "a", "c"), words=words, data_hash="f" * 64)
    found = [part.metrics["mae"].versus for part in table(one, two).rows if part.row == "maml"]
    assert [versus.users for versus in found if versus is not None] == [3, 3]
    differences = [versus.difference for versus in found if versus is not None]
    assert differences == pytest.approx([np.mean(figures) - 1.0] * 2)


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


def test_a_variant_is_compared_with_its_row_too_within_the_same_family(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    floor = random.normal(1.0, 0.1, (2, 20))
    plain = floor - 0.1 + random.normal(0.0, 0.1, (2, 20))
    finer = plain - 0.02 + random.normal(0.0, 0.02, (2, 20))
    words = {"strategy._target_": "fewrec_cli.strategy.reptile.Reptile"}
    other = run(
        tmp_path / "finer",
        finer.tolist(),
        floor=floor.tolist(),
        users=range(20),
        name="reptile",
        words=words,
    )
    first = run(tmp_path / "plain", plain.tolist(), floor=floor.tolist(), users=range(20))
    alone, found = table(first, other), table(first, other, variants={"reptile": "maml"})
    beside = row(found, "reptile").metrics["mae"].beside
    assert beside is not None
    assert (beside.against, beside.users) == ("maml", 20)
    assert beside.difference == pytest.approx((finer - plain).mean())
    assert beside.p == pytest.approx(stats.ttest_rel(finer.mean(0), plain.mean(0)).pvalue)
    assert row(found, "maml").metrics["mae"].beside is None
    assert row(found, "reptile").metrics["ndcg@5"].beside is not None
    raw = [row(found, name).metrics["mae"].versus for name in ("maml", "reptile")]
    p = [one.p for one in (*raw, beside) if one is not None and one.p is not None]
    told = [one.p_holm for one in (*raw, beside) if one is not None]
    stepped = [value * (3 - place) for place, value in enumerate(sorted(p))]
    expected = {value: max(stepped[: place + 1]) for place, value in enumerate(sorted(p))}
    assert told == pytest.approx([min(1.0, expected[value]) for value in p])
    for name in ("maml", "reptile"):  # the floors' comparisons are the same but for the correction
        one, two = (row(which, name).metrics["mae"].versus for which in (alone, found))
        assert one is not None
        assert two is not None
        assert (one.against, one.difference, one.p) == (two.against, two.difference, two.p)
    shown = [grid for block in blocks(found) for grid in block.grids if "Variants" in grid.title]
    assert [line[0].text for grid in shown for line in grid.lines] == ["reptile against maml"]
    assert not any("Variants" in grid.title for block in blocks(alone) for grid in block.grids)


def test_a_variant_whose_row_is_absent_is_compared_with_the_floors_alone(tmp_path: Path) -> None:
    found = table(run(tmp_path / "a", FLOOR), variants={"maml": "reptile", "reptile": "maml"})
    assert row(found, "maml").metrics["mae"].beside is None
    assert row(found, "maml").metrics["mae"].versus is not None


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
