"""One hash over arrays, tensors, texts and numbers, however they are nested."""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor


def digest(*values: object) -> str:
    """Return the SHA-256 of values: arrays by type, shape and bytes, dataclasses by their fields.

    Raises:
        TypeError: A value of a kind that has no content to hash.

    Example:
        >>> digest([1, 2]) == digest((1, 2)), digest(["a", "b"]) == digest(["ab"])
        (True, False)
    """
    found = hashlib.sha256()
    _add(values, found)
    return found.hexdigest()


@singledispatch
def _add(value: object, into: Any) -> None:
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"no content to hash in a {type(value).__name__}")
    into.update(f"{type(value).__name__}:".encode())
    _add({part.name: getattr(value, part.name) for part in fields(value)}, into)


@_add.register(int | float | str | bytes | None)
def _(value: object, into: Any) -> None:
    text = repr(value).encode()
    into.update(f"{type(value).__name__} {len(text)}:".encode() + text)


@_add.register(Tensor)
def _(value: Tensor, into: Any) -> None:
    plain = value.detach().cpu().contiguous()
    into.update(f"tensor {plain.dtype} {tuple(plain.shape)}:".encode())
    into.update(plain.reshape(-1).view(torch.uint8).numpy())


@_add.register(np.ndarray)
def _(value: np.ndarray, into: Any) -> None:
    if value.dtype == object:
        _add(value.tolist(), into)
        return
    into.update(f"array {value.dtype.str} {value.shape}:".encode())
    into.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8))


@_add.register(Mapping)
def _(value: Mapping[Any, Any], into: Any) -> None:
    into.update(f"mapping {len(value)}:".encode())
    for pair in value.items():
        _add(pair, into)


@_add.register(list | tuple)
def _(value: Sequence[Any], into: Any) -> None:
    into.update(f"list {len(value)}:".encode())
    for inner in value:
        _add(inner, into)


@_add.register(frozenset | set)
def _(value: Set[Any], into: Any) -> None:
    into.update(f"set {len(value)}:".encode())
    for inner in sorted(value):
        _add(inner, into)
