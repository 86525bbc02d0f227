"""Predictions in stars: decoded levels and intervals, put together from pieces."""

import numpy as np
import pytest
import torch

from fewrec_cli.core.types import Scale
from fewrec_cli.engine.base import Prediction
from fewrec_cli.experiment.foretell import Foretold, assemble, foretell
from tests.backbone.small import made

SCALE = Scale(1, 5)


@pytest.fixture
def backbone() -> torch.nn.Module:
    found = made("mf")
    found.rating_mean.fill_(3.0)
    found.rating_sd.fill_(2.0)
    return found


def test_a_point_predictor_says_scores_only(backbone) -> None:
    found = foretell(Prediction(torch.tensor([[0.5, -1.0]])), backbone, SCALE, 1)
    np.testing.assert_allclose(found.score, [[4.0, 1.0]])
    assert found.decoded is None
    assert found.low is None


def test_levels_give_median_and_quantiles_of_the_query_rows(backbone) -> None:
    levels = torch.tensor([[[0.3, 0.0, 0.4, 0.25, 0.05], [1.0, 0, 0, 0, 0]]])
    found = foretell(Prediction(torch.zeros(1, 2), levels), backbone, SCALE, 1)
    assert found.decoded == [[3.0]]
    assert found.low == pytest.approx(np.array([[0.5 + 0.1 / 0.3]]))
    assert found.high == pytest.approx(np.array([[3.5 + 0.2 / 0.25]]))


def test_variance_gives_a_symmetric_interval(backbone) -> None:
    found = foretell(
        Prediction(torch.zeros(1, 2), None, torch.tensor([[0.25, 4.0]])), backbone, SCALE, 2
    )
    draws = 3.0 + np.random.default_rng(0).normal(size=200_000) * np.array([[1.0], [4.0]])
    inside = (found.low[0][:, None] < draws) & (draws < found.high[0][:, None])
    np.testing.assert_allclose(inside.mean(1), 0.8, atol=0.005)


def test_pieces_find_their_rows() -> None:
    first = Foretold(np.array([[1.0, 2.0]]), np.array([[1.0]]))
    second = Foretold(np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([[3.0], [5.0]]))
    whole = assemble([(np.array([1]), first), (np.array([2, 0]), second)], (3, 2), 1)
    np.testing.assert_array_equal(whole.score, [[5, 6], [1, 2], [3, 4]])
    np.testing.assert_array_equal(whole.decoded, [[5], [1], [3]])
    assert whole.low is None
