"""One closed-form solve per task: ridge regression on the head's last layer, with its posterior."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.rows import linear_rows, linear_support
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import Rows


@dataclass(frozen=True)
class Covariance:
    """K⁻¹ of every task, K = Z'VZ + diag(λ), held as a root of its smaller side.

    With S = V^½ Z Λ^-½, K⁻¹ = Λ^-½ (I + S'S)⁻¹ Λ^-½ = Λ^-½ (I - S'(I + SS')⁻¹S) Λ^-½.

    Attributes:
        spread: λ^-½ of each column, ``(columns,)``.
        root: Cholesky root of I + S'S, ``(tasks, columns, columns)``, or of I + SS' where the
            tasks have fewer rows than columns, ``(tasks, n, n)``.
        rows: S where ``root`` is that of the rows, ``(tasks, n, columns)``, else None.
    """

    spread: Tensor
    root: Tensor
    rows: Tensor | None

    @classmethod
    def of(cls, scaled: Tensor, spread: Tensor) -> Self:
        """Take the root, of the rows where they are fewer than the columns.

        Args:
            scaled: S, ``(tasks, n, columns)``.
            spread: λ^-½, ``(columns,)``.
        """
        by_rows = scaled.shape[1] < scaled.shape[2]
        side = scaled if by_rows else scaled.transpose(1, 2)
        gram = side @ side.transpose(1, 2)
        gram = gram + torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
        return cls(spread, torch.linalg.cholesky(gram), scaled if by_rows else None)

    def pull(self, scaled: Tensor, target: Tensor) -> Tensor:
        """Return K⁻¹Z'Vr, ``(tasks, columns)``, from S and V^½r, ``(tasks, n)``."""
        rows, right = scaled.transpose(1, 2), target[..., None]
        if self.rows is None:
            solved = torch.cholesky_solve(rows @ right, self.root)
        else:
            solved = rows @ torch.cholesky_solve(right, self.root)
        return solved[..., 0] * self.spread

    def leverage(self, design: Tensor) -> Tensor:
        """Return z'K⁻¹z of each row z, ``(tasks, n)`` from ``(tasks, n, columns)``."""
        scaled = (design * self.spread).transpose(1, 2)
        side = scaled if self.rows is None else self.rows @ scaled
        inner: Tensor = torch.linalg.solve_triangular(self.root, side, upper=False)
        found = inner.square().sum(1)
        return found if self.rows is None else (scaled.square().sum(1) - found).clamp(min=0)

    def matrix(self) -> Tensor:
        """Return K⁻¹, ``(tasks, columns, columns)``."""
        if self.rows is None:
            inner = torch.cholesky_inverse(self.root)
        else:
            seen = torch.linalg.solve_triangular(self.root, self.rows, upper=False)
            whole = torch.eye(len(self.spread), dtype=seen.dtype, device=seen.device)
            inner = whole - seen.transpose(1, 2) @ seen
        return self.spread[:, None] * inner * self.spread

    def take(self, tasks: Tensor) -> Self:
        """Return some of the tasks."""
        rows = None if self.rows is None else self.rows[tasks]
        return replace(self, root=self.root[tasks], rows=rows)


@dataclass(frozen=True)
class Posterior(TaskWeights):
    """Each task's last layer, and how sure it is: w ~ N(mean, σ² K⁻¹), y ~ N(o + z·w, σ²).

    Attributes:
        values: The mean, as parameters of the head.
        covariance: K⁻¹.
        misfit: r'(V⁻¹ + ZΛ⁻¹Z')⁻¹r = Σ v r e of the support, with r its residuals before and e
            after adaptation, ``(tasks,)``.
        mass: Σ v, ``(tasks,)``.
        noise: σ² of each task, standard units squared, ``(tasks,)``.
    """

    covariance: Covariance
    misfit: Tensor
    mass: Tensor
    noise: Tensor

    def variance(self, backbone: Backbone, user: Tensor, item: Tensor) -> Tensor:
        """Return σ²(1 + z'K⁻¹z), ``(tasks, n)``."""
        _, design = linear_rows(backbone, user, item)
        return self.noise[:, None] * (1 + self.covariance.leverage(design))

    def take(self, tasks: Tensor) -> Self:
        """Return what some of the tasks learned."""
        return replace(
            super().take(tasks),
            covariance=self.covariance.take(tasks),
            misfit=self.misfit[tasks],
            mass=self.mass[tasks],
            noise=self.noise[tasks],
        )


@dataclass(frozen=True)
class Solution:
    """Ridge regressions of a batch of tasks.

    Attributes:
        weights: w of each task, ``(tasks, columns)``.
        covariance: K⁻¹.
        before: V^½r, the residuals at the prior mean, ``(tasks, n)``.
        after: V^½e, the residuals at w, ``(tasks, n)``.
    """

    weights: Tensor
    covariance: Covariance
    before: Tensor
    after: Tensor


def fit(
    design: Tensor, residual: Tensor, weight: Tensor, start: Tensor, precision: Tensor
) -> Solution:
    """Minimise sum_i v_i (r_i - z_i·c)² + sum_d λ_d c_d² over c, differentiably; w = w0 + c.

    Tasks with fewer rows than columns are solved by their rows (Woodbury), which gives the same.

    Args:
        design: z, ``(tasks, n, columns)``.
        residual: r = y - o - z·w0, ``(tasks, n)``.
        weight: v >= 0, ``(tasks, n)``.
        start: w0, ``(columns,)`` or each task's own, ``(tasks, columns)``.
        precision: λ > 0 per column, ``(columns,)``.
    """
    root, spread = weight.sqrt(), precision.rsqrt()
    scaled, target = design * (root[..., None] * spread), root * residual
    covariance = Covariance.of(scaled, spread)
    change = covariance.pull(scaled, target)
    left = target - root * (design @ change[..., None])[..., 0]
    return Solution(start + change, covariance, target, left)


def solve(backbone: Backbone, user: Tensor, support: Rows, precision: Tensor) -> Posterior:
    """Fit every task's last layer around the shared one, differentiably.

    Minimises sum_i v_i (y_i - o_i - z_i·w)² + sum_d λ_d (w_d - w0_d)² with w0 the shared weights;
    a task without rows keeps w0. Implicit rows enter as y = 1 and their negatives as y = 0.

    Args:
        backbone: Its head gives offset o, design z and w0.
        user: ``(tasks,)``.
        support: Ratings y and weights v.
        precision: λ > 0 per column of the design, ``(columns,)``.

    Returns:
        Adapted last layers with σ² = 1; their graph reaches the features, w0 and λ.

    Source:
        Bertinetto et al., "Meta-learning with differentiable closed-form solvers", ICLR 2019,
        equations 4 and 6, with a prior mean and one λ per dimension.
    """
    rows = linear_support(backbone, user, support)
    start = backbone.head.linear_weights()
    residual = rows.rating - rows.offset - rows.design @ start
    solved = fit(rows.design, residual, rows.weight, start, precision)
    values = backbone.head.from_linear(solved.weights)
    return Posterior(
        {f"head.{name}": value for name, value in values.items()},
        solved.covariance,
        misfit=(solved.before * solved.after).sum(1),
        mass=rows.weight.sum(1),
        noise=rows.weight.new_ones(len(user)),
    )
