"""Differences of the AUC over all tasks, which no single user has: users are resampled."""

from typing import Protocol

import numpy as np

from fewrec_cli.metric.alone import Alone, joined, resample_auc
from fewrec_cli.report.line import Line, Piece
from fewrec_cli.report.model import Versus


class Pairing(Protocol):
    """Two rows to be compared."""

    @property
    def line(self) -> Line:
        """The row."""

    @property
    def against(self) -> Line:
        """The other."""


def area_difference(pair: Pairing, *, resamples: int, seed: int) -> Versus | None:
    """Compare two rows whose tasks have one candidate each, on the same episodes.

    Each split's AUC is averaged over draws and seeds, and splits are averaged. Users are
    resampled with all of their tasks, in each split by themselves; p is of that bootstrap.

    Args:
        pair: The rows.
        resamples: Bootstrap samples.
        seed: Seed of the resampling.

    Returns:
        The comparison, None where a split has fewer than two users or one class only.
    """
    found = []
    for number, (episodes, pieces) in enumerate(pair.line.splits.items()):
        first = [one for piece in pieces for one in _draws(piece)]
        second = [one for piece in pair.against.splits[episodes] for one in _draws(piece)]
        user = pieces[0].user[pieces[0].draw == pieces[0].draw[0]]
        told = resample_auc(first, second, user, resamples=resamples, seed=seed + number)
        if told is None:
            return None
        found.append(told)
    whole = joined(found)
    numbers = (whole.difference, whole.low, whole.high, whole.p, None, whole.users)
    return Versus(pair.against.row, *numbers)


def _draws(piece: Piece) -> list[Alone]:
    """Return the candidates of each draw of a run."""
    alone = piece.columns.alone
    if alone is None:
        return []
    return [
        Alone(alone.score[piece.draw == draw], alone.relevant[piece.draw == draw])
        for draw in np.unique(piece.draw)
    ]
