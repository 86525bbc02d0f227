"""Errors of predicted ratings: by hand, against scikit-learn, decoded, pooled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewrec_cli.core.errors import ShapeError
from fewrec_cli.core.types import Scale
from fewrec_cli.metric import rating
from fewrec_cli.metric.base import RatedQueries

STARS = Scale(1, 5)


def rated(expected, true, mask=None, scale=STARS, decoded=None):
    expected, true = np.atleast_2d(np.array(expected, float)), np.atleast_2d(np.array(true, float))
    mask = np.ones(true.shape, bool) if mask is None else np.atleast_2d(np.array(mask, bool))
    return RatedQueries(expected, true, mask, scale, positive=4.0, decoded=decoded)


def test_figures_worked_out_by_hand() -> None:
    two = rated([[3.5, 7.0], [2.4, 0.0]], [[4, 4], [1, 2]], mask=[[1, 1], [1, 0]])
    np.testing.assert_allclose(rating.mae(two), [(0.5 + 1) / 2, 1.4])  # 7 is clipped to 5
    np.testing.assert_allclose(rating.mae_median(two), [(0 + 1) / 2, 1])  # 3.5 decodes to 4
    np.testing.assert_allclose(rating.rmse(two), [np.sqrt((0.25 + 1) / 2), 1.4])
    np.testing.assert_allclose(rating.accuracy(two), [1 / 2, 1])  # 3.5 is not liked, 4 is


def test_task_without_a_query_row_is_undefined() -> None:
    none = rated([[3.0], [3.0]], [[4], [4]], mask=[[1], [0]])
    for metric in (rating.mae, rating.mae_median, rating.rmse, rating.accuracy):
        np.testing.assert_array_equal(np.isnan(metric(none)), [False, True])


@pytest.mark.parametrize(
    ("scale", "given_value", "level"),
    [
        (Scale(1, 5), 2.5, 3.0),  # halfway goes up
        (Scale(1, 5), 2.4999, 2.0),
        (Scale(1, 5), -4.0, 1.0),
        (Scale(1, 5), 99.0, 5.0),
        (Scale(0.5, 5, 0.5), 3.25, 3.5),
        (Scale(0.5, 5, 0.5), 3.2, 3.0),
        (Scale(0, 10), 0.5, 1.0),
        (Scale(1, 10), 9.6, 10.0),
    ],
)
def test_point_prediction_is_decoded_to_the_nearest_level(scale, given_value, level) -> None:
    assert rating.decode(np.array([given_value]), scale)[0] == level


@settings(max_examples=60, deadline=None)
@given(value=st.floats(-3, 14), step=st.sampled_from([0.5, 1.0, 2.0]))
def test_no_level_is_nearer_than_the_decoded_one(value, step) -> None:
    scale = Scale(1, 9, step)
    level = rating.decode(np.array([value]), scale)[0]
    assert level in scale.levels
    assert abs(level - value) == pytest.approx(np.abs(scale.levels - value).min(), abs=1e-12)


def test_median_level_minimises_the_expected_absolute_error() -> None:
    random = np.random.default_rng(0)
    probability = random.dirichlet(np.ones(5), size=(6, 4))
    cost = np.abs(STARS.levels[:, None] - STARS.levels) @ probability[..., None]
    best = cost.squeeze(-1).min(axis=-1)
    median = rating.median_level(probability, STARS)
    chosen = (np.abs(median[..., None] - STARS.levels) * probability).sum(axis=-1)
    np.testing.assert_allclose(chosen, best, atol=1e-12)


def test_median_level_takes_the_upper_of_two_medians() -> None:
    assert rating.median_level(np.array([0.5, 0.0, 0.0, 0.5, 0.0]), STARS) == 4


def test_median_level_of_another_scale_is_refused() -> None:
    with pytest.raises(ShapeError, match="4 probabilities for 5 rating levels"):
        rating.median_level(np.full(4, 0.25), STARS)


def test_decoded_ratings_of_a_distribution_take_the_place_of_rounding() -> None:
    distribution = rated([[3.0, 3.0]], [[5, 1]], decoded=np.array([[5.0, 1.0]]))
    assert rating.mae_median(distribution)[0] == 0
    assert rating.mae(distribution)[0] == 2


def test_rmse_is_pooled_over_ratings_and_rmse_user_is_not() -> None:
    random = np.random.default_rng(1)
    mask = np.arange(9) < random.integers(1, 10, 30)[:, None]
    many = rated(random.uniform(0, 6, (30, 9)), random.integers(1, 6, (30, 9)), mask)
    error = (np.clip(many.expected, 1, 5) - many.rating)[mask]
    n_query = mask.sum(axis=1)
    pooled = rating.aggregate("rmse", rating.rmse(many), n_query)
    assert pooled == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-12)
    per_user = rating.aggregate("rmse_user", rating.rmse(many), n_query)
    assert per_user == pytest.approx(rating.rmse(many).mean())
    assert pooled != pytest.approx(per_user, abs=1e-3)


def test_figures_equal_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, mean_absolute_error, root_mean_squared_error

    random = np.random.default_rng(2)
    many = rated(random.uniform(1, 5, (20, 6)), random.integers(1, 6, (20, 6)))
    for task in range(20):
        true, expected = many.rating[task], many.expected[task]
        assert rating.mae(many)[task] == pytest.approx(mean_absolute_error(true, expected))
        assert rating.rmse(many)[task] == pytest.approx(root_mean_squared_error(true, expected))
        accuracy = accuracy_score(true >= 4, expected >= 4)
        assert rating.accuracy(many)[task] == pytest.approx(accuracy)


@pytest.mark.parametrize("name", ["mae", "rmse"])
def test_aggregate_of_nothing_is_undefined(name) -> None:
    assert rating.aggregate(name, np.full(3, np.nan), np.zeros(3, int)) is None


def test_oracle_makes_no_error() -> None:
    stars = np.random.default_rng(3).integers(1, 6, (5, 4))
    exact = rated(stars, stars)
    for metric in (rating.mae, rating.mae_median, rating.rmse):
        np.testing.assert_array_equal(metric(exact), 0)
    np.testing.assert_array_equal(rating.accuracy(exact), 1)


def test_intervals_by_hand() -> None:
    true = np.array([[1.0, 3.0, 5.0, 4.0]])
    mask = np.array([[True, True, True, False]])
    low, high = np.array([[1.0, 3.5, 4.0, 0.0]]), np.array([[2.0, 4.5, 9.0, 0.0]])
    found = RatedQueries(true, true, mask, Scale(1, 5), 4.0, None, low, high)
    assert rating.interval_coverage(found) == pytest.approx([2 / 3])  # 3.0 lies below its interval
    assert rating.interval_width(found) == pytest.approx([(1 + 1 + 1) / 3])  # 9 is cut to 5
    point = RatedQueries(true, true, mask, Scale(1, 5), 4.0)
    assert np.isnan(rating.interval_coverage(point)).all()
    assert np.isnan(rating.interval_width(point)).all()


def test_quantiles_of_spread_levels_by_hand() -> None:
    shares = np.array([[0.1, 0.1, 0.5, 0.2, 0.1]])
    assert rating.spread_quantile(shares, STARS, 0.1) == pytest.approx([1.5])
    assert rating.spread_quantile(shares, STARS, 0.45) == pytest.approx([3.0])
    assert rating.spread_quantile(shares, STARS, 0.95) == pytest.approx([5.0])
    assert rating.spread_quantile(np.array([0, 0, 1.0, 0, 0]), STARS, 0.1) == pytest.approx(2.6)


def test_quantiles_of_spread_levels_are_those_of_draws() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(9))
    halves = Scale(1, 5, 0.5)
    drawn = rng.choice(halves.levels, 200_000, p=shares) + rng.uniform(-0.25, 0.25, 200_000)
    for share in (0.1, 0.5, 0.9):
        found = rating.spread_quantile(shares, halves, share)
        assert np.mean(drawn <= found) == pytest.approx(share, abs=0.005)
