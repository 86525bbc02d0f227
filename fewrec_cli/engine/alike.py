"""Meta-batches cut into parts of tasks with supports of similar length, without most padding."""

from dataclasses import fields, replace

import torch

from fewrec_cli.core.seeding import derive_seed
from fewrec_cli.engine.pack import cuts
from fewrec_cli.scenario.batch import Rows, TaskBatch


def by_length(batch: TaskBatch) -> list[TaskBatch]:
    """Return the batch's tasks, shortest supports first, in parts padded to their own longest.

    For networks that read whole supports, whose cost is in the padded rows; what is drawn at random
    is drawn for each part anew.
    """
    lengths, order = (batch.support.weight > 0).sum(1).sort(stable=True)
    parts, start = [], 0
    for number, (tasks, _) in enumerate(cuts(lengths.tolist())):
        mine = order[start : start + tasks]
        start += tasks
        part = replace(
            batch,
            user=batch.user.index_select(0, mine),
            support=trimmed(batch.support.take(mine)),
            query=trimmed(batch.query.take(mine)),
            seed=derive_seed(batch.seed, "length", number),
        )
        parts.append(part)
    return parts


def trimmed(rows: Rows) -> Rows:
    """Return the rows without the last columns in which no task has a row."""
    used = (rows.weight > 0).any(0).nonzero()
    width = int(used.max()) + 1 if len(used) else 0
    columns: dict[str, torch.Tensor] = {
        part.name: value[:, :width]
        for part in fields(rows)
        if (value := getattr(rows, part.name)) is not None
    }
    return replace(rows, **columns)
