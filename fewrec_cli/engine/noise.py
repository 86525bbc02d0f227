"""How far a rating lies from the best prediction of it: one level for all, moved by each task."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TRUSTS = (0.0, 0.0125, 0.025, 0.05, 0.1, 0.2)
"""Tried: from one noise for all tasks to one that 5 rows of its own outweigh."""
LEVELS = 81
"""Tried for each trust: within a factor of 2 of the level that fits when no task differs."""


@dataclass(frozen=True)
class Errors:
    """What is known of the errors on many query rows.

    Attributes:
        squared: Squared error over 1 + z'K⁻¹z, standard units squared, ``(n,)``.
        misfit: Of the row's task, as in ``Posterior``, ``(n,)``.
        mass: Of the row's task, ``(n,)``.
    """

    squared: Tensor
    misfit: Tensor
    mass: Tensor

    @classmethod
    def joined(cls, parts: Sequence["Errors"]) -> "Errors":
        """Return the rows of all parts."""
        columns = zip(*((part.squared, part.misfit, part.mass) for part in parts), strict=True)
        return cls(*(torch.cat(column) for column in columns))


def task_noise(level: Tensor, trust: Tensor, misfit: Tensor, mass: Tensor) -> Tensor:
    """Return each task's noise variance, (σ² + ρ misfit) / (1 + ρ mass).

    The scale of the posterior when σ² has a scaled inverse-χ² prior of 1/ρ degrees of freedom.

    Args:
        level: σ² of a task of which nothing is known, standard units squared.
        trust: ρ >= 0, what one row says of its task's noise against the level; 0: nothing.
        misfit: Σ v r e of the support, as in ``Posterior``.
        mass: Σ v.

    Source:
        Gelman et al., "Bayesian Data Analysis", 3rd edition, section 3.3.
    """
    return (level + trust * misfit) / (1 + trust * mass)


def fitted(errors: Errors) -> tuple[Tensor, Tensor]:
    """Return the level and the trust under which the errors are likeliest.

    At trust 0 the level is the mean of ``squared``; at any other it is looked for around it.
    """
    mean = errors.squared.mean()
    around = torch.logspace(-1, 1, LEVELS, 2.0, dtype=mean.dtype, device=mean.device)
    found = [(_surprise(errors, mean, mean.new_zeros(())), mean, mean.new_zeros(()))]
    for trust in mean.new_tensor(TRUSTS[1:]):
        found += [(_surprise(errors, mean * one, trust), mean * one, trust) for one in around]
    _, level, trust = min(found, key=lambda one: one[0])
    return level, trust


def _surprise(errors: Errors, level: Tensor, trust: Tensor) -> float:
    """Return twice the mean negative log likelihood, but for a constant."""
    noise = task_noise(level, trust, errors.misfit, errors.mass)
    return float((noise.log() + errors.squared / noise).mean())
