"""New items' own numbers from the ratings of many tasks: one closed-form solve per item."""

import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.engine.base import Adapted

NUMBERS = 1 << 22
"""Numbers of the items' matrices, and of the rows' outer products, at a time, at most."""


def solve_items(
    item: Tensor, design: Tensor, residual: Tensor, precision: Tensor, n_items: int
) -> Tensor:
    """Minimise, for every item, sum over its rows (r - z·c)² + sum_d λ_d c_d² over c.

    Sums and solves are in double precision; an item without rows gets 0. Memory does not grow with
    the number of rows times the squared columns: both come in blocks.

    Args:
        item: Place of each row's item, 0 to ``n_items`` - 1, in any order, ``(rows,)``.
        design: z of each row, ``(rows, columns)``.
        residual: r of each row, ``(rows,)``.
        precision: λ > 0 of each column, ``(columns,)``.
        n_items: How many items.

    Returns:
        c, ``(n_items, columns)``, in the precision of ``design``.
    """
    order = item.argsort(stable=True)
    item, z, r = item[order], design[order].double(), residual[order].double()
    columns = z.shape[1]
    step = max(1, NUMBERS // columns**2)
    ends = torch.searchsorted(item, torch.arange(0, n_items + step, step, device=item.device))
    found = [z.new_zeros(0, columns)]
    for number, first in enumerate(range(0, n_items, step)):
        count = min(step, n_items - first)
        gram = precision.double().diag().flatten().repeat(count, 1)
        pull = z.new_zeros(count, columns)
        for start in range(int(ends[number]), int(ends[number + 1]), step):
            some = slice(start, min(start + step, int(ends[number + 1])))
            place, rows = item[some] - first, z[some]
            gram.index_add_(0, place, (rows[:, :, None] * rows[:, None]).flatten(1))
            pull.index_add_(0, place, rows * r[some, None])
        root = torch.linalg.cholesky(gram.view(count, columns, columns))
        found.append(torch.cholesky_solve(pull[..., None], root)[..., 0])
    return torch.cat(found).to(design)


def user_side(backbone: Backbone, adapted: Adapted, user: Tensor) -> Tensor:
    """Return what multiplies an item's numbers in each task's score, ``(tasks, columns)``.

    With a head of factors the score is (q, 1)·w + offset, the user's half included in w.

    Args:
        backbone: Shared weights, those that were adapted.
        adapted: What the tasks learned.
        user: ``(tasks,)``.

    Raises:
        ConfigError: The head has another form, or what was learned is not its weights.
    """
    if backbone.head.spec.form != "factor":
        raise ConfigError(
            f"backbone {type(backbone).__name__} has no numbers of items that ratings could move",
            "take backbone=mf, or scenario.pool=false",
        )
    halves = backbone.halves(user, user[:0], user[:0])
    weights = adapted.last_layer(backbone)
    return weights + halves.user if halves.user.shape[1] else weights.expand(len(user), -1)
