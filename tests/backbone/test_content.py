"""Content foretells new items: against a process solved item by item, and on a planted law."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, WhiteKernel

from fewrec_cli.backbone import process
from fewrec_cli.backbone.content import ContentPrior
from fewrec_cli.backbone.mf import MF
from fewrec_cli.core.types import Field
from tests.backbone.small import UNSEEN_ITEM, bags, made, small_dataset, train_rows

EVERY = torch.arange(12).expand(8, 12)
USERS = torch.arange(8)


def features(items: int, values: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(items, values))


def one_by_one(gram: np.ndarray, noise: np.ndarray, y: np.ndarray, left: list[int]) -> np.ndarray:
    """Foretell ``left`` from all others, with a fit of its own."""
    others = np.setdiff1d(np.arange(len(y)), left)
    kernel = gram + process.CONSTANT
    solved = np.linalg.solve(kernel[np.ix_(others, others)] + np.diag(noise[others]), y[others])
    found: np.ndarray = kernel[np.ix_(left, others)] @ solved
    return found


def test_left_out_blocks_equal_a_fit_without_them() -> None:
    x = features(13, 4)
    gram, noise = x @ x.T, np.linspace(0.1, 1, 13)
    y = np.random.default_rng(1).normal(size=(13, 2))
    solved = process.inverse(torch.from_numpy(gram), torch.from_numpy(noise))
    blocks = [(0, 5), (5, 6), (6, 13)]
    found = process.left_out(solved, torch.from_numpy(y), blocks).numpy()
    for first, end in blocks:
        expected = one_by_one(gram, noise, y, list(range(first, end)))
        np.testing.assert_allclose(found[first:end], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_the_learned_variances_have_a_likelihood_as_high_as_scikit_learn_s() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3))
    y = x @ [0.5, -0.4, 0.8] + 0.3 * rng.normal(size=150)
    y = (y - y.mean()) / y.std()
    kernel = ConstantKernel(0.1) * DotProduct(0.0, sigma_0_bounds="fixed")
    kernel = kernel + ConstantKernel(process.CONSTANT, "fixed") + WhiteKernel(1.0)
    other = GaussianProcessRegressor(kernel).fit(x, y)
    counts = torch.full((150,), 1e9)  # chance plays no part
    gram = torch.from_numpy(x @ x.T).float()[None]
    found = process.learned(
        gram, torch.from_numpy(y).float()[:, None], counts, process.first_variances(1), 100
    ).exp()
    theta = np.log([float(found[0]), float(found[1]) + process.JITTER])
    assert other.log_marginal_likelihood(theta) > other.log_marginal_likelihood_value_ - 0.05
    assert float(found[0]) == pytest.approx(np.exp(other.kernel_.theta[0]), rel=0.1)


def law(items: int = 120) -> tuple[tuple[Field, ...], np.ndarray, np.ndarray]:
    """Return an attribute that decides the vectors, one that does not, and the vectors."""
    rng = np.random.default_rng(2)
    makers, noise = rng.integers(0, 6, items), rng.integers(0, 20, items)
    meaning = rng.normal(size=(6, 3)) * [1.0, 1.0, 2.0]
    vectors = meaning[makers] + 0.1 * rng.normal(size=(items, 3))
    fields = (
        bags("maker", [[m] for m in makers], 6),
        bags("noise", [[n] for n in noise], 20),
    )
    return fields, vectors.astype(np.float32), rng.integers(1, 50, items)


@pytest.mark.parametrize("order", [None, np.arange(120) // 7])
def test_new_items_get_the_vectors_that_a_planted_law_gives_them(order) -> None:
    fields, vectors, counts = law()
    counts[:20] = 0
    shown = vectors.copy()
    shown[:20] = 1e3  # nobody may read the vector of an item without ratings
    prior = ContentPrior(fields, counts, order, 10, 3)
    for _ in range(2):
        prior.refresh(torch.from_numpy(shown))
    misfit = np.square(prior.mean.numpy() - vectors).mean(0) / vectors.var(0)
    assert (misfit < 0.05).all()  # left-out known items and new ones alike
    bias, factors = prior._parts
    for part in (bias, factors):
        assert part.log_variances is not None
        assert part.log_variances[0] > part.log_variances[1] + 2  # only the maker counts


def test_a_known_item_is_foretold_without_its_own_vector_and_its_block_s() -> None:
    fields, vectors, counts = law()
    prior = ContentPrior(fields, counts, np.arange(120), 6, 3)
    for _ in range(2):
        prior.refresh(torch.from_numpy(vectors))
    before = prior.mean.clone()
    prior._times = 3  # no new variances
    changed = torch.from_numpy(vectors)
    changed[20:40] += 5.0  # the second block of six
    prior.refresh(changed)
    moved = (prior.mean - before).abs().max(1).values
    own, others = moved[20:40], torch.cat([moved[:20], moved[40:]])
    # Left alone by its own block but for the mean of all, from which every block is foretold.
    assert others.min() > 5 * own.max()


def test_the_bias_is_foretold_first_and_the_factors_once_they_have_learned() -> None:
    fields, vectors, counts = law()
    prior = ContentPrior(fields, counts, None, 10, 3)
    prior.refresh(torch.from_numpy(vectors))
    assert prior.mean[:, -1].abs().min() > 0
    assert (prior.mean[:, :-1] == 0).all()


@pytest.mark.parametrize("fields", [(), law(5)[0]])
def test_without_attributes_or_ratings_nothing_is_foretold(fields) -> None:
    prior = ContentPrior(fields, np.zeros(5, np.int64), None, 10, 3)
    prior.refresh(torch.ones(5, 3))
    assert (prior.mean == 0).all()


def process_backbone(*, refreshed: bool = True) -> MF:
    dataset = small_dataset()
    backbone = made("mf", content="process", blocks=3)
    assert isinstance(backbone, MF)
    backbone.prepare(dataset, train_rows(dataset))
    for _ in range(2 if refreshed else 0):
        backbone.refresh()
    return backbone.eval()


def test_an_unseen_item_is_scored_by_what_content_says_and_a_known_one_by_its_id() -> None:
    backbone = process_backbone()
    before = backbone(USERS, EVERY)
    assert backbone.prior is not None
    backbone.prior.mean += 1
    after = backbone(USERS, EVERY)
    unseen = torch.arange(12) == UNSEEN_ITEM
    assert torch.equal(after[:, ~unseen], before[:, ~unseen])
    assert not torch.equal(after[:, unseen], before[:, unseen])
    halves = backbone.halves(USERS, USERS, torch.full((8,), UNSEEN_ITEM))
    torch.testing.assert_close(halves.item[0], backbone.prior.mean[UNSEEN_ITEM])


def test_with_every_id_dropped_all_items_are_scored_as_new() -> None:
    backbone = process_backbone()
    backbone.id_dropout = 1.0
    backbone.train()
    rows = backbone.halves(USERS, torch.zeros(12, dtype=torch.long), torch.arange(12)).item
    assert backbone.prior is not None
    torch.testing.assert_close(rows, backbone.prior.mean)


def test_the_penalty_pulls_towards_what_content_says() -> None:
    backbone = process_backbone()
    assert backbone.prior is not None
    weight = torch.ones(8, 12)
    with torch.no_grad():
        backbone.user_side.table.zero_()
        backbone.item.copy_(backbone.prior.mean)
    assert backbone.penalty(EVERY, weight).item() == 0.0
    with torch.no_grad():
        backbone.item += 1.0
    assert backbone.penalty(EVERY, weight).item() > 0.0


def test_what_content_says_is_kept_with_the_weights() -> None:
    first, second = process_backbone(), process_backbone(refreshed=False)
    assert not torch.equal(first(USERS, EVERY), second(USERS, EVERY))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(USERS, EVERY), second(USERS, EVERY))


def test_an_item_told_anew_is_known() -> None:
    backbone = process_backbone()
    half = torch.randn(1, 4)
    told = backbone.informed(torch.tensor([UNSEEN_ITEM]), half)
    rows = told.halves(USERS, USERS[:1], torch.tensor([UNSEEN_ITEM])).item
    torch.testing.assert_close(rows, half)
    assert told.prior is backbone.prior


def test_equal_weights_give_equal_words_of_content() -> None:
    fields, vectors, counts = law()
    first, second = (ContentPrior(fields, counts, None, 10, 3) for _ in range(2))
    for prior in (first, second):
        prior.refresh(torch.from_numpy(vectors))
    assert torch.equal(first.mean, second.mean)
    third = ContentPrior(tuple(replace(f) for f in fields), counts + 1, None, 10, 3)
    third.refresh(torch.from_numpy(vectors))
    assert not torch.equal(first.mean, third.mean)
