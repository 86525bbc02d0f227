"""One linear layer and what a task's steps change in its output."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from fewrec_cli.engine.pack import Packed
from fewrec_cli.engine.product import across, along


@dataclass(frozen=True)
class Layer:
    """A shared linear layer, and how far a step moves it in each task.

    Attributes:
        weight: ``(out, in)``.
        bias: ``(out,)``.
        weight_rate: Step size of each task, ``(tasks, 1, 1)``; None leaves the weight shared.
        bias_rate: The same of the bias.
    """

    weight: Tensor
    bias: Tensor
    weight_rate: Tensor | None
    bias_rate: Tensor | None

    @property
    def moves(self) -> bool:
        """Whether tasks adapt any of it."""
        return self.weight_rate is not None or self.bias_rate is not None

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the layer's output with its shared weights, ``(..., out)``."""
        return functional.linear(rows, self.weight, self.bias)

    def cut(self, packed: Packed) -> list[Self]:
        """Return the same layer with the step sizes of each part's tasks."""
        nothing = (None,) * len(packed.parts)
        weight = nothing if self.weight_rate is None else packed.cut(self.weight_rate)
        bias = nothing if self.bias_rate is None else packed.cut(self.bias_rate)
        return [
            replace(self, weight_rate=one, bias_rate=other)
            for one, other in zip(weight, bias, strict=True)
        ]

    def take(self, tasks: Tensor) -> Self:
        """Return the same layer with the step sizes of some of the tasks."""
        return replace(
            self, weight_rate=taken(self.weight_rate, tasks), bias_rate=taken(self.bias_rate, tasks)
        )


@dataclass(frozen=True)
class LowRank:
    """What a layer's output loses by one step from its shared weights, never forming them.

    With inputs H and errors D of the support, W' = W - r Dᵀ H and b' = b - c Σ D, so that an input
    a loses (r a Hᵀ + c) D.

    Attributes:
        inputs: H, ``(tasks, support, in)``; None where only the bias moves.
        errors: D, 0 on padding, ``(tasks, support, out)``.
        rate: r, ``(tasks, 1, 1)``; None where only the bias moves.
        constant: c, ``(tasks, 1, 1)``; None where only the weight moves.
    """

    inputs: Tensor | None
    errors: Tensor
    rate: Tensor | None
    constant: Tensor | None

    @classmethod
    def of(
        cls, layer: Layer, inputs: Tensor | None, errors: Tensor, square: Tensor | None
    ) -> Self | None:
        """Return a layer's step, or None if the layer stays shared.

        Args:
            layer: With the step sizes of the tasks.
            inputs: H.
            errors: D.
            square: What a left half of the inputs that is the same for all rows of a task adds to
                every entry of a Hᵀ, ``(tasks, 1, 1)``; or None.
        """
        if not layer.moves:
            return None
        rate, constant = layer.weight_rate, layer.bias_rate
        if rate is None:
            return cls(None, errors, None, constant)
        if square is not None:
            constant = rate * square if constant is None else torch.addcmul(constant, rate, square)
        return cls(inputs, errors, rate, constant)

    def kernel(self, rows: Tensor) -> Tensor:
        """Return r a Hᵀ + c of rows a ``(tasks, n, in)``, ``(tasks, n, support)``."""
        assert self.inputs is not None
        assert self.rate is not None
        gram = across(rows, self.inputs)
        if self.constant is None:
            return gram * self.rate
        return torch.addcmul(self.constant, gram, self.rate)

    def support_kernel(self) -> Tensor | None:
        """Return the kernel of the support's own rows; None where only the bias moves."""
        return None if self.inputs is None else self.kernel(self.inputs)

    def off(self, out: Tensor, kernel: Tensor | None) -> Tensor:
        """Return ``out (tasks, n, out)`` less what rows with a known kernel lose."""
        if kernel is None:
            return out - self._by_bias()
        return torch.baddbmm(out, kernel, self.errors, alpha=-1)

    def less(self, out: Tensor, rows: Tensor) -> Tensor:
        """Return the shared layer's output ``(tasks, n, out)`` less what ``rows`` lose."""
        if self.inputs is None:
            return self.off(out, None)
        support, width = self.inputs.shape[1:]
        n, wide = out.shape[1:]
        if n * support * (width + wide) <= (n + support) * width * wide:
            return self.off(out, self.kernel(rows))
        assert self.rate is not None  # for many rows the change of the weight is formed
        out = out - across(rows, along(self.rate * self.errors, self.inputs))
        return out if self.constant is None else self.off(out, None)

    def _by_bias(self) -> Tensor:
        assert self.constant is not None
        return self.constant * self.errors.sum(1, keepdim=True)

    def own(self, layer: Layer, user: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return each task's weight and bias; ``user`` is the inputs' constant left half."""
        weight, bias, total = layer.weight, layer.bias, self.errors.sum(1)
        if self.inputs is not None and layer.weight_rate is not None:
            moved = along(self.errors, self.inputs)
            if user is not None:
                moved = torch.cat([total[..., None] * user[:, None], moved], -1)
            weight = weight - layer.weight_rate * moved
        if layer.bias_rate is not None:
            bias = bias - layer.bias_rate * total[:, None]
        return weight, bias

    def __call__(self, layer: Layer, rows: Tensor) -> Tensor:
        """Return the adapted layer's output, ``(tasks, n, out)``."""
        return self.less(layer(rows), rows)

    def take(self, tasks: Tensor) -> Self:
        """Return some of the tasks."""
        return replace(
            self,
            inputs=taken(self.inputs, tasks),
            errors=self.errors[tasks],
            rate=taken(self.rate, tasks),
            constant=taken(self.constant, tasks),
        )


@dataclass(frozen=True)
class Dense:
    """Summed gradients of several steps; each task's own weights are formed where they are used.

    Attributes:
        weight: ``(tasks, out, in)``; None leaves the weight shared.
        bias: ``(tasks, 1, out)``; None leaves the bias shared.
    """

    weight: Tensor | None
    bias: Tensor | None

    @classmethod
    def of(cls, layer: Layer, first: "LowRank | Dense | None") -> Self:
        """Return the gradient of a layer's first step as its own numbers."""
        if not isinstance(first, LowRank):
            return cls(None, None)
        weight = None if first.inputs is None else along(first.errors, first.inputs)
        bias = None if layer.bias_rate is None else first.errors.sum(1, keepdim=True)
        return cls(weight, bias)

    def own(self, layer: Layer, user: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return each task's weight and bias; shared ones without a task dimension."""
        weight, bias = layer.weight, layer.bias
        if self.weight is not None and layer.weight_rate is not None:
            weight = weight - layer.weight_rate * self.weight
        if self.bias is not None and layer.bias_rate is not None:
            bias = bias - layer.bias_rate * self.bias
        return weight, bias

    def plus(self, inputs: Tensor, errors: Tensor) -> Self:
        """Return the sums with the gradient of one more step."""
        weight, bias = self.weight, self.bias
        if weight is not None:
            weight = weight + along(errors, inputs)
        if bias is not None:
            bias = bias + errors.sum(1, keepdim=True)
        return replace(self, weight=weight, bias=bias)

    def __call__(self, layer: Layer, rows: Tensor) -> Tensor:
        """Return the adapted layer's output, ``(tasks, n, out)``."""
        return affine(rows, *self.own(layer))

    def take(self, tasks: Tensor) -> Self:
        """Return some of the tasks."""
        return replace(self, weight=taken(self.weight, tasks), bias=taken(self.bias, tasks))


def affine(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return rows · weightᵀ + bias, where weight and bias are shared or each task's own."""
    if weight.dim() == 2:
        return rows @ weight.T + bias
    return across(rows, weight) + bias


def taken(values: Tensor | None, tasks: Tensor) -> Tensor | None:
    """Return the values of some of the tasks, if there are any values."""
    return None if values is None else values[tasks]
