"""Vectors of pairs that a language model which does not learn has read, kept on disk."""

import hashlib
from importlib.metadata import version
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from fewrec_cli.backbone.pairs import PairVectors
from fewrec_cli.core import cache
from fewrec_cli.text.trunk import Trunk

KIND = "pairs"
FILE = "vectors.npy"
LONG = 1 << 35
"""Multiplications from which vectors are worth a file, about a second of one core's."""
_hashes: WeakKeyDictionary[nn.Module, tuple[tuple[int, ...], str]] = WeakKeyDictionary()


def kept(vectors: PairVectors, user: Tensor, item: Tensor) -> Tensor:
    """Return the vectors of pairs, ``(pairs, width)``, read before wherever that was long work.

    Args:
        vectors: Reads them.
        user: Rows of its layout's users, ``(pairs,)``.
        item: Rows of its items, ``(pairs,)``.
    """
    if not worth(vectors, user, item):
        found: Tensor = vectors(user, item)
        return found
    facts = _facts(vectors, user, item)
    with cache.turn(KIND, facts) as folder:
        if folder is not None:
            read = np.load(folder / FILE, allow_pickle=False)
            return torch.from_numpy(read).to(item.device)
        found = vectors(user, item)
        numbers = found.float().cpu().numpy()
        cache.keep(KIND, facts, lambda part: np.save(part / FILE, numbers, allow_pickle=False))
        return found


def worth(vectors: PairVectors, user: Tensor, item: Tensor) -> bool:
    """Whether reading these pairs is long, and the same the next time."""
    if vectors.learns or not len(item):
        return False
    trunk, tokens = vectors.trunk, int(vectors.layout.lengths(user, item).sum())
    return tokens * trunk.depth * 12 * trunk.width**2 >= LONG


def _facts(vectors: PairVectors, user: Tensor, item: Tensor) -> dict[str, Any]:
    digest = hashlib.sha256()
    width = int(vectors.layout.lengths(user, item).max())
    for start in range(0, len(item), 4_096):
        rows = slice(start, start + 4_096)
        pairs = vectors.layout(user[rows], item[rows], width)
        for one in (pairs.ids, pairs.lengths, pairs.kinds, pairs.answer):
            digest.update(one.cpu().numpy().tobytes())
    trunk = vectors.trunk
    return {
        "shown": f"{len(item):,} pairs of up to {width} tokens",
        "weights": _hash(trunk),
        "read": trunk.read,
        "pairs": digest.hexdigest(),
        "precision": str(trunk.computed_in(item.device)),
        "transformers": version("transformers"),
    }


def _hash(trunk: Trunk) -> str:
    """Return the digest of all weights, made anew only when one of them has changed."""
    state = trunk.state_dict(keep_vars=True)
    version = tuple(value._version for value in state.values())
    found = _hashes.get(trunk)
    if found is None or found[0] != version:
        digest = hashlib.sha256()
        for name, value in state.items():
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        found = (version, digest.hexdigest())
        _hashes[trunk] = found
    return found[1]
