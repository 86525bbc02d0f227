"""The closed-form solve against scikit-learn, normal equations and finite differences."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch import Tensor

from fewrec_cli.engine import ridge
from fewrec_cli.engine.base import query_losses
from fewrec_cli.engine.weights import score
from fewrec_cli.scenario.batch import Rows
from tests.engine.case import FEEDBACK, RAGGED, Case, case, close, design, start


def penalty(made: Case, seed: int = 0) -> Tensor:
    """Return another penalty for each column of the design."""
    columns = len(made.backbone.head.linear_weights())
    drawn = torch.Generator().manual_seed(seed)
    return 0.2 + 3 * torch.rand(columns, generator=drawn, dtype=torch.float64)


def solved(made: Case, precision: Tensor) -> Tensor:
    """Return each task's last layer as one vector, ``(tasks, columns)``."""
    values = ridge.solve(made.backbone, made.user, made.support, precision).values
    assert set(values) == set(made.backbone.adapted_names("last"))
    return torch.cat([value.reshape(len(made.user), -1) for value in values.values()], 1)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("feedback", FEEDBACK)
def test_solution_is_scikit_learn_s_around_the_shared_weights(kind, feedback) -> None:
    """scikit-learn has one penalty: columns are divided by the square roots of theirs."""
    made = case(kind, "last", feedback, lengths=(5, 1, 3, 40))
    precision = penalty(made)
    found, root = solved(made, precision).detach().numpy(), precision.sqrt().numpy()
    for task in range(len(made.user)):
        z, y, v = design(made, task)
        model = Ridge(alpha=1.0, fit_intercept=False, tol=1e-14).fit(
            z / root, y - z @ start(made), sample_weight=v
        )
        np.testing.assert_allclose(found[task], start(made) + model.coef_ / root, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["mf", "mlp"]),
    feedback=st.sampled_from(FEEDBACK),
    lengths=st.lists(st.integers(0, 8), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_solution_satisfies_the_normal_equations(kind, feedback, lengths, seed) -> None:
    made = case(kind, "last", feedback, lengths, seed=seed)
    precision = penalty(made, seed)
    found = solved(made, precision).detach().numpy()
    for task, length in enumerate(lengths):
        z, y, v = design(made, task)
        left = z.T @ np.diag(v) @ z + np.diag(precision.numpy())
        right = z.T @ np.diag(v) @ y + precision.numpy() * start(made)
        np.testing.assert_allclose(found[task], np.linalg.solve(left, right), atol=1e-10)
        if length == 0:
            np.testing.assert_array_equal(found[task], start(made))


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_small_penalty_on_many_rows_is_least_squares(kind) -> None:
    made = case(kind, "last", lengths=(60,))
    z, y, v = design(made, 0)
    root = np.sqrt(v)[:, None]
    expected = z @ np.linalg.lstsq(z * root, y * root[:, 0], rcond=None)[0]
    found = solved(made, torch.full_like(penalty(made), 1e-9)).detach().numpy()
    np.testing.assert_allclose(z @ found[0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
def test_huge_penalty_keeps_the_shared_weights_and_their_scores(kind) -> None:
    made = case(kind, "last")
    huge = torch.full_like(penalty(made), 1e13)
    weights = ridge.solve(made.backbone, made.user, made.support, huge)
    scores = score(made.backbone, weights, made.user, made.query.item)
    expected = made.backbone(made.user, made.query.item)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("column", [0, -1])
def test_a_huge_penalty_of_one_column_keeps_that_weight_alone(column) -> None:
    made = case("mf", "last")
    precision = penalty(made)
    precision[column] = 1e13
    moved = np.abs(solved(made, precision).detach().numpy()[0] - start(made))
    assert moved[column] < 1e-10
    assert (np.delete(moved, column) > 1e-4).all()


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("feedback", FEEDBACK)
@pytest.mark.parametrize("lengths", [RAGGED, (1, 0, 1)], ids=["columns", "rows"])
def test_outer_gradient_is_the_slope_along_every_learned_number(kind, feedback, lengths) -> None:
    """Central differences in the penalties and in everything that makes features and prior."""
    made = case(kind, "last", feedback, lengths)
    precision = penalty(made).requires_grad_()
    shared = [p for name, p in made.backbone.named_parameters() if name != "personal"]
    learned = [precision, *shared]

    def loss() -> Tensor:
        weights = ridge.solve(made.backbone, made.user, made.support, precision)
        return query_losses(made.backbone, weights, made.user, made.query).mean()

    slopes = torch.autograd.grad(loss(), learned)
    assert all(bool(slope.any()) for slope in slopes)
    torch.manual_seed(3)
    for value, slope in zip(learned, slopes, strict=True):
        direction, step = torch.randn_like(value), 1e-6
        with torch.no_grad():
            value.add_(direction, alpha=step)
            ahead = loss()
            value.add_(direction, alpha=-2 * step)
            behind = loss()
            value.add_(direction, alpha=step)
        found = float((ahead - behind) / (2 * step))
        assert found == pytest.approx(float((slope * direction).sum()), rel=1e-5, abs=1e-8)


def test_tasks_do_not_see_one_another() -> None:
    made = case("mlp", "last", "mixup")
    whole = solved(made, penalty(made))
    for task in range(len(made.user)):
        alone = solved(made.task(task), penalty(made))
        torch.testing.assert_close(alone[0], whole[task], rtol=1e-10, atol=1e-10)


def test_shared_weights_keep_every_bit() -> None:
    made = case("mlp", "last")
    before = {name: value.clone() for name, value in made.backbone.state_dict().items()}
    solved(made, penalty(made)).sum().backward()
    for name, value in made.backbone.state_dict().items():
        assert torch.equal(value, before[name])


def posterior(made: Case, **changes: Tensor) -> ridge.Posterior:
    """Return what the tasks learned, with another penalty for each column."""
    found = ridge.solve(made.backbone, made.user, made.support, penalty(made))
    return replace(found, **changes)


def padded(made: Case, more: int) -> Case:
    """Return the same tasks with more rows of weight 0, so that rows outnumber columns."""
    wider = {
        part.name: torch.cat([value, value[:, :1].expand(-1, more)], 1)
        for part in fields(made.support)
        if (value := getattr(made.support, part.name)) is not None
    }
    wider["weight"][:, made.support.weight.shape[1] :] = 0
    return replace(made, support=replace(made.support, **wider))


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("feedback", FEEDBACK)
def test_both_sides_give_the_same_posterior_and_gradients(kind, feedback) -> None:
    made = case(kind, "last", feedback, (1, 0, 1))
    wide = padded(made, 20)
    by_rows, by_columns = posterior(made), posterior(wide)
    assert by_rows.covariance.rows is not None
    assert by_columns.covariance.rows is None
    learned = [p for name, p in made.backbone.named_parameters() if name != "personal"]
    slopes = []
    for one, found in ((made, by_rows), (wide, by_columns)):
        spread = found.variance(one.backbone, one.user, one.query.item)
        total = sum((value**3).sum() for value in found.values.values()) + spread.sum()
        total = total + found.misfit.sum() + (found.covariance.matrix() ** 2).sum()
        slopes.append([total, spread, *torch.autograd.grad(total, learned, materialize_grads=True)])
    for found, expected in zip(*slopes, strict=True):
        close(found, expected)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("feedback", FEEDBACK)
@pytest.mark.parametrize("lengths", [RAGGED, (2, 0, 1)], ids=["columns", "rows"])
def test_variance_is_that_of_the_gaussian_model(kind, feedback, lengths) -> None:
    """The joint covariance of support and query ratings under the prior, conditioned densely."""
    made = case(kind, "last", feedback, lengths)
    noise = torch.linspace(0.5, 2.0, len(lengths), dtype=torch.float64)
    found = posterior(made, noise=noise)
    variance = found.variance(made.backbone, made.user, made.query.item).detach().numpy()
    precision, queries = penalty(made).numpy(), replace(made, support=as_rows(made))
    for task in range(len(lengths)):
        z, y, v = design(made, task)
        q, _, _ = design(queries, task)
        seen = z @ (z / precision).T + np.diag(1 / v)
        across, own = q @ (z / precision).T, 1 + ((q / precision) * q).sum(1)
        expected = noise[task].item() * (own - (across * np.linalg.solve(seen, across.T).T).sum(1))
        np.testing.assert_allclose(variance[task], expected, atol=1e-10)
        off = y - z @ start(made)
        assert found.misfit[task].item() == pytest.approx(off @ np.linalg.solve(seen, off))
        assert found.mass[task].item() == pytest.approx(v.sum())
        k = z.T @ np.diag(v) @ z + np.diag(precision)
        inverse = found.covariance.matrix()[task].detach().numpy()
        np.testing.assert_allclose(inverse, np.linalg.inv(k), atol=1e-10)


def as_rows(made: Case) -> Rows:
    """Return the query's items as plain supports, of which ``design`` gives the rows."""
    ones = torch.ones_like(made.query.rating)
    return Rows(made.query.item, made.query.rating, ones)


@pytest.mark.parametrize("lengths", [RAGGED, (2, 0, 1, 1)], ids=["columns", "rows"])
def test_some_of_the_tasks_are_as_sure_as_among_all(lengths) -> None:
    made = case("mf", "last", lengths=lengths)
    found, some = posterior(made, noise=torch.arange(4.0).double()), torch.tensor([2, 0])
    whole = found.variance(made.backbone, made.user, made.query.item)
    part = found.take(some)
    close(part.variance(made.backbone, made.user[some], made.query.item[some]), whole[some])
    for name in ("misfit", "mass", "noise"):
        assert torch.equal(getattr(part, name), getattr(found, name)[some])
    for name, value in part.values.items():
        assert torch.equal(value, found.values[name][some])
