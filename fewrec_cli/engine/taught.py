"""What one step from shared weights takes off a layer's output, and the gradient of it by hand.

Rows of the support stand flat, ``(places, width)``: only products within a task need them block by
block, and everything else runs once for all blocks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, baddbmm, bmm

from fewrec_cli.engine.blocks import Blocks


@dataclass
class Back:
    """Gradients in what a layer was taught with.

    Attributes:
        rows: In the rows a that were scored, ``(tasks, n, in)``; None where only the bias moves.
        rate: In r, ``(tasks, 1, 1)``, or None.
        constant: In c, ``(tasks, 1, 1)``, or None.
        errors: In D, ``(places, out)``; second order only.
        inputs: In H, ``(places, in)``; second order only.
    """

    rows: Tensor | None = None
    rate: Tensor | None = None
    constant: Tensor | None = None
    errors: Tensor | None = None
    inputs: Tensor | None = None


class Taught:
    """Takes (r a Hᵀ + c) D off a layer's output; see ``layer.LowRank``, which autograd follows.

    Args:
        blocks: How the rows of the support stand.
        inputs: H, ``(places, in)``; None where only the bias moves.
        errors: D, 0 on padding, ``(places, out)``.
        rate: r, ``(tasks, 1, 1)``; None where only the bias moves.
        constant: c, ``(tasks, 1, 1)``; None where only the weight moves.
    """

    def __init__(
        self,
        blocks: Blocks,
        inputs: Tensor | None,
        errors: Tensor,
        rate: Tensor | None,
        constant: Tensor | None,
    ) -> None:
        self.blocks, self.rate, self.constant = blocks, rate, constant
        self.flat_inputs, self.flat_errors = inputs, errors
        self.inputs = None if inputs is None else blocks.rows(inputs)
        self.errors = blocks.rows(errors)

    def less(self, out: Tensor, rows: Tensor | None) -> Tensor:
        """Return ``out (tasks, n, out)``, changed in place, less what ``rows`` lose."""
        if self.inputs is None or self.rate is None or rows is None:
            return self._less_bias(out)
        if out.shape[2] == 1:
            self.moved = rows.new_empty(len(rows), 1, rows.shape[2])
            for moved, errors, inputs in zip(
                self.blocks.tasks(self.moved), self.errors, self.inputs, strict=True
            ):
                bmm(errors.mT, inputs, out=moved)
            self.change = self.rate * self.moved
            return self._less_bias(out.sub_(bmm(rows, self.change.mT)))
        self.scaled = self.blocks.tasks(rows * self.rate)
        sides = [one.mT for one in self.inputs]
        if self.constant is None:
            self.kernels = [bmm(*one) for one in zip(self.scaled, sides, strict=True)]
        else:
            constants = self.blocks.tasks(self.constant)
            self.kernels = [
                baddbmm(*one) for one in zip(constants, self.scaled, sides, strict=True)
            ]
        for lost, kernel, errors in zip(
            self.blocks.tasks(out), self.kernels, self.errors, strict=True
        ):
            lost.baddbmm_(kernel, errors, alpha=-1)
        return out

    def backward(
        self,
        gradient: Tensor,
        rows: Tensor | None,
        *,
        second_order: bool,
        rate: bool,
        constant: bool,
    ) -> Back:
        """Return the gradients.

        Args:
            gradient: In the layer's output, ``(tasks, n, out)``.
            rows: As scored, ``(tasks, n, in)``.
            second_order: Whether those in D and H are wanted.
            rate: Whether that in r is wanted.
            constant: Whether that in c is wanted.
        """
        if self.inputs is None or self.rate is None or rows is None:
            return self._of_bias(gradient, second_order=second_order)
        if gradient.shape[2] == 1:
            wanted = rate or constant
            return self._of_one_output(gradient, rows, second_order=second_order, rates=wanted)
        towards = self.blocks.tasks(gradient)
        kernels = [bmm(g, d.mT) for g, d in zip(towards, self.errors, strict=True)]
        lost = torch.empty_like(rows)
        for kernel, inputs, out in zip(kernels, self.inputs, self.blocks.tasks(lost), strict=True):
            bmm(kernel, inputs, out=out)
        back = Back()
        if constant:
            back.constant = torch.cat([one.sum((1, 2)) for one in kernels]).neg_()[:, None, None]
        if rate:
            back.rate = (lost * rows).sum((1, 2), keepdim=True).neg_()
        back.rows = lost.mul_(-self.rate)
        if second_order:
            assert self.flat_inputs is not None
            back.errors = torch.empty_like(self.flat_errors)
            back.inputs = torch.empty_like(self.flat_inputs)
            for one, kernel, g in zip(
                self.blocks.rows(back.errors), self.kernels, towards, strict=True
            ):
                baddbmm(one, kernel.mT, g, beta=0, alpha=-1, out=one)
            for one, kernel, a in zip(
                self.blocks.rows(back.inputs), kernels, self.scaled, strict=True
            ):
                baddbmm(one, kernel.mT, a, beta=0, alpha=-1, out=one)
        return back

    def _of_one_output(
        self, gradient: Tensor, rows: Tensor, *, second_order: bool, rates: bool
    ) -> Back:
        assert self.inputs is not None
        assert self.rate is not None
        back = Back((gradient * self.change).neg_())
        if not second_order and not rates:
            return back
        along, total = bmm(gradient.mT, rows), gradient.sum(1, keepdim=True)
        if rates:
            back.rate = (along * self.moved).sum(-1, keepdim=True).neg_()
            back.constant = (total * self.blocks.sums(self.errors)).neg_()
        if second_order:
            assert self.flat_inputs is not None
            moved = (self.rate * along).neg_()
            less = None if self.constant is None else self.constant * total
            back.errors = torch.empty_like(self.flat_errors)
            back.inputs = torch.empty_like(self.flat_inputs)
            for one, h, m in zip(
                self.blocks.rows(back.errors), self.inputs, self.blocks.tasks(moved), strict=True
            ):
                bmm(h, m.mT, out=one)
            if less is not None:
                self.blocks.add(back.errors, less.neg_())
            for one, d, m in zip(
                self.blocks.rows(back.inputs), self.errors, self.blocks.tasks(moved), strict=True
            ):
                torch.mul(d, m, out=one)
        return back

    def _less_bias(self, out: Tensor) -> Tensor:
        if self.constant is None:
            return out
        return out.sub_(self.constant * self.blocks.sums(self.errors))

    def _of_bias(self, gradient: Tensor, *, second_order: bool) -> Back:
        total = gradient.sum(1, keepdim=True)
        back = Back()
        back.constant = -(total * self.blocks.sums(self.errors)).sum(-1, keepdim=True)
        if second_order and self.constant is not None:
            back.errors = torch.zeros_like(self.flat_errors)
            self.blocks.add(back.errors, (self.constant * total).neg_())
        return back
