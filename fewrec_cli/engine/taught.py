"""What one step from shared weights takes off a layer's output, and the gradient of it by hand."""

from dataclasses import dataclass

from torch import Tensor, addcmul, bmm


@dataclass
class Back:
    """Gradients in what a layer was taught with.

    Attributes:
        rows: In the rows a that were scored, ``(tasks, n, in)``; None where only the bias moves.
        rate: In r, ``(tasks, 1, 1)``, or None.
        constant: In c, ``(tasks, 1, 1)``, or None.
        errors: In D, ``(tasks, support, out)``; second order only.
        inputs: In H, ``(tasks, support, in)``; second order only.
    """

    rows: Tensor | None = None
    rate: Tensor | None = None
    constant: Tensor | None = None
    errors: Tensor | None = None
    inputs: Tensor | None = None


class Taught:
    """Takes (r a Hᵀ + c) D off a layer's output; see ``layer.LowRank``, which autograd follows.

    Args:
        inputs: H, ``(tasks, support, in)``; None where only the bias moves.
        errors: D, 0 on padding, ``(tasks, support, out)``.
        rate: r, ``(tasks, 1, 1)``; None where only the bias moves.
        constant: c, ``(tasks, 1, 1)``; None where only the weight moves.
    """

    def __init__(
        self, inputs: Tensor | None, errors: Tensor, rate: Tensor | None, constant: Tensor | None
    ) -> None:
        self.inputs, self.errors, self.rate, self.constant = inputs, errors, rate, constant

    def less(self, out: Tensor, rows: Tensor | None) -> Tensor:
        """Return ``out (tasks, n, out)``, changed in place, less what ``rows`` lose."""
        if self.inputs is None or self.rate is None or rows is None:
            return self._less_bias(out)
        if self.errors.shape[2] == 1:
            self.moved = bmm(self.errors.mT, self.inputs)
            return self._less_bias(out.sub_(bmm(rows, (self.rate * self.moved).mT)))
        self.gram = bmm(rows, self.inputs.mT)
        if self.constant is None:
            self.kernel = self.gram * self.rate
        else:
            self.kernel = addcmul(self.constant, self.gram, self.rate)
        return out.baddbmm_(self.kernel, self.errors, alpha=-1)

    def _less_bias(self, out: Tensor) -> Tensor:
        if self.constant is None:
            return out
        return out.sub_(self.constant * self.errors.sum(1, keepdim=True))

    def backward(
        self, gradient: Tensor, rows: Tensor | None, *, second_order: bool, rates: bool
    ) -> Back:
        """Return the gradients.

        Args:
            gradient: In the layer's output, ``(tasks, n, out)``.
            rows: As scored, ``(tasks, n, in)``.
            second_order: Whether those in D and H are wanted.
            rates: Whether those in r and c are wanted.
        """
        if self.inputs is None or self.rate is None or rows is None:
            return self._of_bias(gradient, second_order=second_order)
        if self.errors.shape[2] == 1:
            return self._of_one_output(gradient, rows, second_order=second_order, rates=rates)
        back = Back()
        kernel = bmm(gradient, self.errors.mT).neg_()
        gram = kernel * self.rate
        back.rows = bmm(gram, self.inputs)
        if rates:
            back.rate = (kernel * self.gram).sum((1, 2), keepdim=True)
            back.constant = kernel.sum((1, 2), keepdim=True)
        if second_order:
            back.errors = bmm(self.kernel.mT, gradient).neg_()
            back.inputs = bmm(gram.mT, rows)
        return back

    def _of_one_output(
        self, gradient: Tensor, rows: Tensor, *, second_order: bool, rates: bool
    ) -> Back:
        assert self.inputs is not None
        assert self.rate is not None
        back = Back(gradient * (self.rate * self.moved).neg_())
        if not second_order and not rates:
            return back
        along, total = bmm(gradient.mT, rows), gradient.sum(1, keepdim=True)
        if rates:
            back.rate = (along * self.moved).sum(-1, keepdim=True).neg_()
            back.constant = (total * self.errors.sum(1, keepdim=True)).neg_()
        if second_order:
            moved = (self.rate * along).neg_()
            back.errors, back.inputs = bmm(self.inputs, moved.mT), self.errors * moved
            if self.constant is not None:
                back.errors.sub_(self.constant * total)
        return back

    def _of_bias(self, gradient: Tensor, *, second_order: bool) -> Back:
        total = gradient.sum(1, keepdim=True)
        back = Back()
        back.constant = -(total * self.errors.sum(1, keepdim=True)).sum(-1, keepdim=True)
        if second_order and self.constant is not None:
            back.errors = (self.constant * total).neg_().expand_as(self.errors)
        return back
