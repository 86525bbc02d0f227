"""Gaussian processes over items: variances by marginal likelihood, predictions by block."""

from collections.abc import Sequence

import torch
from torch import Tensor

CONSTANT = 1.0
"""Prior variance of the values' mean, in the values' own variance."""
JITTER = 1e-4
"""Least noise, likewise: keeps the roots of nearly singular kernels apart from 0."""
STEP_SIZE = 0.15
"""Of learning log variances (Adam)."""
START_KERNEL, START_OWN, START_NOISE = 0.05, 0.4, 1.0


def first_variances(kernels: int) -> Tensor:
    """Return where learning starts: log v of each kernel, log τ, log s, ``(kernels + 2,)``."""
    start = torch.full((kernels + 2,), START_KERNEL)
    start[-2], start[-1] = START_OWN, START_NOISE
    return start.log()


def noise_of(log_variances: Tensor, counts: Tensor) -> Tensor:
    """Return τ + s / ratings of each item, ``(n,)``: what no attribute explains, and chance."""
    own, chance = log_variances[-2:].exp()
    noise: Tensor = own + chance / counts + JITTER
    return noise


def learned(
    kernels: Tensor, values: Tensor, counts: Tensor, log_variances: Tensor, steps: int
) -> Tensor:
    """Move the variances up the marginal likelihood of the values.

    Args:
        kernels: One per attribute, ``(kernels, n, n)``.
        values: Standardised, each column with the same kernel, ``(n, columns)``.
        counts: Ratings of each item, ``(n,)``.
        log_variances: Where to start, ``(kernels + 2,)``.
        steps: How many steps.

    Returns:
        Log v of each kernel, log τ and log s, ``(kernels + 2,)``.

    Source:
        Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equation 5.8.
    """
    free = log_variances.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], STEP_SIZE)
    flat, shape = kernels.flatten(1), kernels.shape[1:]
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.enable_grad():
            gram = (free[:-2].exp() @ flat).view(shape) + CONSTANT
            root = torch.linalg.cholesky(gram + torch.diag(noise_of(free, counts)))
            white = torch.linalg.solve_triangular(root, values, upper=False)
            surprise = 0.5 * white.square().sum() / values.shape[1] + root.diagonal().log().sum()
            surprise.backward()
        optimizer.step()
    return free.detach()


def inverse(gram: Tensor, noise: Tensor) -> Tensor:
    """Return (K + c + diag(noise))⁻¹ with c the variance of the mean, ``(n, n)``."""
    return torch.cholesky_inverse(torch.linalg.cholesky(gram + CONSTANT + torch.diag(noise)))


def left_out(inverse: Tensor, values: Tensor, blocks: Sequence[tuple[int, int]]) -> Tensor:
    """Return what all items outside an item's block foretell of it, ``(n, columns)``.

    With B = (K + noise)⁻¹ the items of block b get y_b - (B_bb)⁻¹ (B y)_b, without another fit.

    Args:
        inverse: B, ``(n, n)``.
        values: y, ``(n, columns)``.
        blocks: First item and end of each block; they cover all items.

    Source:
        Rasmussen and Williams, 2006, equation 5.12, for blocks instead of single items.
    """
    pull = inverse @ values
    found = torch.empty_like(values)
    for first, end in blocks:
        own = inverse[first:end, first:end]
        found[first:end] = values[first:end] - torch.linalg.solve(own, pull[first:end])
    return found
