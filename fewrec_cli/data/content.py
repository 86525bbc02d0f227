"""The content hash of a data set: equal figures need equal hashes, whatever the files' form."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewrec_cli.core.types import Field, IdArray, Interactions, Scale


class ContentHash:
    """Sha256 over named arrays and texts; names and lengths go in, so that nothing runs together.

    Example:
        >>> ContentHash().texts("a", ["bc"]).hex() == ContentHash().texts("a", ["b", "c"]).hex()
        False
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def hex(self) -> str:
        """Return the digest of everything added so far."""
        return self._digest.hexdigest()

    def array(self, name: str, array: NDArray[Any] | None) -> "ContentHash":
        """Add an array of numbers, or its absence."""
        if array is None:
            return self.texts(name, ["absent"])
        fixed = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        self._digest.update(f"{name} {fixed.dtype.str} {fixed.shape}\n".encode())
        self._digest.update(fixed.data)
        return self

    def texts(self, name: str, texts: Iterable[str]) -> "ContentHash":
        """Add a list of texts."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._digest.update(f"{name} {[len(text) for text in encoded]}\n".encode())
        self._digest.update(b"".join(encoded))
        return self

    def ids(self, name: str, ids: IdArray) -> "ContentHash":
        """Add ids of either form."""
        return self.texts(name, ids) if ids.dtype == object else self.array(name, ids)

    def interactions(self, rows: Interactions) -> "ContentHash":
        """Add all columns of the interactions."""
        for name in ("user", "item", "rating", "timestamp"):
            self.array(name, getattr(rows, name))
        return self

    def fields(self, name: str, fields: Iterable[Field]) -> "ContentHash":
        """Add the attributes of one side."""
        for field in fields:
            self.texts(name, [field.name, field.kind, *field.vocabulary])
            self.array("offsets", field.offsets)
            self.array("index", field.index).array("weight", field.weight)
        return self

    def scale(self, scale: Scale | None, positive: float) -> "ContentHash":
        """Add the rating levels and what counts as liked."""
        return self.texts("scale", [repr(scale), repr(float(positive))])
