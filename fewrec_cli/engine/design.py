"""Which ratings would tell most about a new user: optimal design for the linear head, greedily."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Plan:
    """Rows to ask for, best first.

    Attributes:
        row: Which rows, ``(picks,)``.
        left: Expected variance that is not noise, Σ_j worth_j σ² z_j'K⁻¹z_j: before the first pick
            and after each, if it is answered; standard units squared, ``(picks + 1,)``.
    """

    row: list[int]
    left: list[float]


def greedy(
    design: Tensor, inverse: Tensor, noise: Tensor, worth: Tensor, known: Tensor, picks: int
) -> Plan:
    """Pick the rows whose answers lower the expected variance over all rows most, one by one.

    An answer to row a lowers z_j'K⁻¹z_j by (z_j'K⁻¹z_a)² / (1 + z_a'K⁻¹z_a), whatever it is. The
    pick has the largest such reduction, weighted by worth and averaged over the people the new
    user may be, times the chance of an answer. It then counts as answered (a rank-one update).

    Args:
        design: z of each row for each of the people, ``(people, rows, columns)``.
        inverse: K⁻¹ before anything is asked, ``(people, columns, columns)``.
        noise: σ² of each of the people, ``(people,)``.
        worth: What each row's variance counts, >= 0, ``(rows,)``.
        known: Chance that the row can be answered; 0 leaves it out, ``(rows,)``.
        picks: How many, at most.

    Source:
        V-optimal (I-optimal) design: Chaloner and Verdinelli, "Bayesian Experimental Design: A
        Review", Statistical Science 1995, section 2.2, with one row at a time.
    """
    pulled = design @ inverse  # K⁻¹z of every row
    leverage = (pulled * design).sum(-1)
    moment = design.transpose(1, 2) @ (design * worth[:, None])
    open_rows, share = known > 0, noise[:, None] / len(noise)
    rows, left = [], [float((share * leverage * worth).sum())]
    for _ in range(min(picks, int(open_rows.sum()))):
        gain = ((pulled @ moment) * pulled).sum(-1) / (1 + leverage)
        expected = known * (share * gain).sum(0)
        pick = int(torch.where(open_rows, expected, torch.full_like(expected, -1.0)).argmax())
        toward, size = pulled[:, pick], 1 + leverage[:, pick, None]
        across = (design @ toward[..., None])[..., 0]
        pulled = pulled - across[..., None] * (toward / size)[:, None]
        leverage = leverage - across.square() / size
        open_rows[pick] = False
        rows.append(pick)
        left.append(float((share * leverage * worth).sum()))
    return Plan(rows, left)
