"""What content says of an item: a Gaussian process from attributes to learned item vectors."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_array, hstack
from torch import Tensor, nn

from fewrec_cli.backbone import process
from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import Field, IntArray

MOST = 4_000
"""Items that the process is fitted to at most, those with most ratings."""
SAMPLE = 600
"""Items, drawn at random, from which variances are learned."""
STEPS = 40
"""Steps of learning the variances each time."""
FEWEST = 3
"""Items with ratings below which nothing is foretold."""


class ContentPrior(nn.Module):
    """Each item's vector as the other items' attributes and vectors foretell it.

    Two processes, one of the bias and one that all factors share, each with the kernel
    Σ_f v_f x_f·x_f' over the attributes f; an item's vector is seen with variance τ + s / ratings.
    Known items are foretold in blocks, each without the vectors of its own block, so that they
    look as new ones do, and whoever trains on that learns what to make of new ones.

    Args:
        fields: Attributes of the items; none foretells nothing.
        counts: Training ratings of each item, ``(items,)``.
        order: What makes neighbours, who share a block, e.g. years, ``(items,)``; None draws
            blocks at random.
        blocks: How many, >= 2.
        width: Length of the vectors; the last number is the bias.

    Attributes:
        mean: What content says of each item, standard units, ``(items, width)``; a buffer, 0
            before the first ``refresh``.
    """

    mean: Tensor

    def __init__(
        self,
        fields: Sequence[Field],
        counts: IntArray,
        order: IntArray | None,
        blocks: int,
        width: int,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(counts), width))
        drawn = generator(0, "backbone", "content")
        known = np.flatnonzero(counts > 0)
        known = drawn.permutation(known[np.argsort(-counts[known], kind="stable")][:MOST])
        self._sample = torch.from_numpy(np.sort(drawn.permutation(len(known))[:SAMPLE]))
        if order is not None:
            known = known[np.argsort(order[known], kind="stable")]
        cuts = np.linspace(0, len(known), min(blocks, max(len(known), 1)) + 1).astype(int)
        self._known, self._blocks = known, list(pairwise(cuts.tolist()))
        self._counts = torch.from_numpy(counts[known]).float()
        self._features = [_matrix(field, len(counts)) for field in fields]
        self._kernels: Tensor | None = None
        self._parts = (_Part(slice(width - 1, width)), _Part(slice(0, width - 1)))
        self._times = 0

    @torch.no_grad()
    def refresh(self, vectors: Tensor) -> None:
        """Foretell every item anew.

        The bias is foretold from the first time on, the factors, which start at random, from the
        second; variances are learned at times 0, 1, 2, 4, 8, ...

        Args:
            vectors: Learned vector of each item, ``(items, width)``; read where there are ratings.
        """
        if not self._features or len(self._known) < FEWEST:
            return
        values = vectors.detach().cpu().float()[self._known]
        for part in self._parts if self._times else self._parts[:1]:
            mine = values[:, part.columns]
            if self._times & (self._times - 1) == 0:
                self._learn(part, mine)
            self.mean[:, part.columns] = self._foretell(part, mine).to(self.mean)
        self._times += 1

    def _learn(self, part: "_Part", values: Tensor) -> None:
        some = values[self._sample]
        some = (some - some.mean(0)) / some.std().clamp(min=1e-6)
        if self._kernels is None:
            rows = self._known[self._sample.numpy()]
            self._kernels = torch.stack([_gram(matrix[rows]) for matrix in self._features])
        start = part.log_variances
        if start is None:
            start = process.first_variances(len(self._kernels))
        counts = self._counts[self._sample]
        part.log_variances = process.learned(self._kernels, some, counts, start, STEPS)
        scales = part.log_variances.exp()[:-2].sqrt().tolist()
        scaled = [matrix * scale for matrix, scale in zip(self._features, scales, strict=True)]
        part.features = hstack(scaled).tocsr()
        noise = process.noise_of(part.log_variances, self._counts)
        part.inverse = process.inverse(_gram(part.features[self._known]), noise)

    def _foretell(self, part: "_Part", values: Tensor) -> Tensor:
        assert part.features is not None, "_learn() comes first"
        assert part.inverse is not None, "likewise"
        centre = values.mean(0)
        pull = part.inverse @ (values - centre)
        weights = part.features[self._known].T @ pull.numpy()
        mean = torch.from_numpy(part.features @ weights).float()
        mean += process.CONSTANT * pull.sum(0) + centre
        mean[self._known] = centre + process.left_out(part.inverse, values - centre, self._blocks)
        return mean


class _Part:
    """Columns with one kernel, its variances, and what follows from these."""

    def __init__(self, columns: slice) -> None:
        self.columns = columns
        self.log_variances: Tensor | None = None
        self.features: csr_array | None = None
        self.inverse: Tensor | None = None


def _matrix(field: Field, items: int) -> csr_array:
    shape = (items, len(field.vocabulary))
    return csr_array((field.weight, field.index, field.offsets), shape=shape)


def _gram(matrix: csr_array) -> Tensor:
    return torch.from_numpy((matrix @ matrix.T).toarray()).float()
