"""One meta-batch with ragged supports, and its inner loop written out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fewrec_cli.backbone.base import Backbone
from fewrec_cli.engine.base import InnerLoop
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.scenario.batch import Rows
from tests.backbone.small import ITEMS, USERS, Written, ready, small_dataset

Feedback = Literal["explicit", "mixup", "implicit"]
RAGGED = (5, 1, 0, 3)
SETS = ("head", "last", "bias", "all")
FEEDBACK: tuple[Feedback, ...] = ("explicit", "mixup", "implicit")


def close(found: Tensor, expected: Tensor) -> None:
    """Check that two float64 results agree but for rounding."""
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@dataclass(frozen=True)
class Case:
    """A backbone, tasks, and everything that an outer loop learns.

    Attributes:
        log_rates: Log of the step size of each adapted parameter.
        shrinkage: A task with n rows takes steps scaled by n / (n + shrinkage).
    """

    backbone: Backbone
    written: Written
    user: Tensor
    support: Rows
    query: Rows
    log_rates: dict[str, Tensor]
    shrinkage: Tensor

    def loop(self, steps: int, order: str) -> InnerLoop:
        """Return the settings that the package's inner loops take."""
        rows = self.support.weight.sum(-1)
        return InnerLoop(
            tuple(self.log_rates),
            {name: value.exp() for name, value in self.log_rates.items()},
            steps,
            second_order=order == "second",
            scale=rows / (rows + self.shrinkage),
        )

    def learned(self) -> list[Tensor]:
        """Return all that an outer gradient reaches, the table of user ids aside."""
        shared = [p for name, p in self.backbone.named_parameters() if name != "personal"]
        return [*shared, *self.log_rates.values(), self.shrinkage]

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Return the gradient of an outer loss, zeros where it does not reach."""
        return list(
            torch.autograd.grad(loss, self.learned(), retain_graph=True, materialize_grads=True)
        )

    def task(self, number: int) -> "Case":
        """Return the case of one task alone."""
        one = slice(number, number + 1)
        return replace(
            self,
            user=self.user[one],
            support=self.support.slice(one),
            query=self.query.slice(one),
        )


def case(
    kind: str,
    which: str = "head",
    feedback: Feedback = "explicit",
    lengths: Sequence[int] = RAGGED,
    *,
    rates: Literal["tensor", "element"] = "tensor",
    fields: bool = True,
    seed: int = 0,
) -> Case:
    """Return tasks with the given support sizes; padding holds wild ratings and random items."""
    dataset = small_dataset(fields=fields)
    backbone = ready(kind, dataset)
    drawn = torch.Generator().manual_seed(seed)
    tasks = len(lengths)
    parameters = dict(backbone.named_parameters())

    def rate(name: str) -> Tensor:
        shape = parameters[name].shape if rates == "element" else ()
        return (0.1 + 0.1 * torch.rand(shape, generator=drawn, dtype=torch.float64)).log()

    names = backbone.adapted_names(which)  # type: ignore[arg-type]
    return Case(
        backbone,
        Written(kind, dataset),
        torch.randint(USERS, (tasks,), generator=drawn),
        rows(lengths, max(lengths), feedback, drawn),
        rows([4] * tasks, 4, "implicit" if feedback == "implicit" else "explicit", drawn),
        {name: rate(name).requires_grad_() for name in names},
        torch.tensor(1.5, dtype=torch.float64, requires_grad=True),
    )


def rows(lengths: Sequence[int], width: int, feedback: Feedback, drawn: torch.Generator) -> Rows:
    """Return random rows, weight 0 beyond each task's length."""
    shape = (len(lengths), width)

    def uniform() -> Tensor:
        return torch.rand(shape, generator=drawn, dtype=torch.float64)

    def items() -> Tensor:
        return torch.randint(ITEMS, shape, generator=drawn)

    real = torch.arange(width) < torch.tensor(lengths)[:, None]
    mixed, implicit = feedback == "mixup", feedback == "implicit"
    return Rows(
        items(),
        torch.where(real, 2 * uniform() - 1, torch.full(shape, 1e3, dtype=torch.float64)),
        torch.where(real, 0.5 + uniform(), torch.zeros(shape, dtype=torch.float64)),
        negative=items() if implicit else None,
        partner=items() if mixed else None,
        mix=uniform() if mixed else None,
    )


def support_loss(written: Written, p: dict[str, Tensor], user: int, mine: Rows, n: int) -> Tensor:
    """Return one task's mean loss over its first ``n`` rows, a term at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for row in range(n):
        x = written.features(p, user, mine.item[row : row + 1])
        if mine.partner is not None and mine.mix is not None:
            other = written.features(p, user, mine.partner[row : row + 1])
            x = mine.mix[row] * x + (1 - mine.mix[row]) * other
        score = written.head(p, x)[0]
        if mine.negative is None:
            loss = (score - mine.rating[row]) ** 2
        else:
            against = written.scores(p, user, mine.negative[row : row + 1])[0]
            loss = -torch.log(torch.sigmoid(score - against))
        total = total + mine.weight[row] * loss
    return total / mine.weight[:n].sum()


def of_task(rows: Rows, task: int) -> Rows:
    """Return one task's rows without the task dimension."""
    one = rows.slice(slice(task, task + 1))
    return Rows(
        *(
            None if part is None else part[0]
            for part in (one.item, one.rating, one.weight, one.negative, one.partner, one.mix)
        )  # type: ignore[arg-type]
    )


def adapt_by_hand(case: Case, steps: int, order: str) -> list[dict[str, Tensor]]:
    """Return each task's parameters after gradient descent, all of them by name."""
    adapted = []
    for task, user in enumerate(case.user.tolist()):
        mine = of_task(case.support, task)
        n = int((mine.weight > 0).sum())
        own = dict(case.backbone.named_parameters())
        for _ in range(steps if n else 0):
            at = own
            if order == "first":
                at = {name: value.detach().requires_grad_() for name, value in own.items()}
            loss = support_loss(case.written, at, user, mine, n)
            moving = [at[name] for name in case.log_rates]
            slopes = torch.autograd.grad(
                loss, moving, create_graph=order == "second", materialize_grads=True
            )
            share = mine.weight.sum() / (mine.weight.sum() + case.shrinkage)
            own = dict(own)
            for (name, log_rate), slope in zip(case.log_rates.items(), slopes, strict=True):
                own[name] = own[name] - log_rate.exp() * share * slope
        adapted.append(own)
    return adapted


def query_loss_by_hand(case: Case, adapted: list[dict[str, Tensor]]) -> Tensor:
    """Return the mean over tasks of the query loss."""
    losses = [
        support_loss(case.written, own, user, of_task(case.query, task), case.query.item.shape[1])
        for task, (own, user) in enumerate(zip(adapted, case.user.tolist(), strict=True))
    ]
    return torch.stack(losses).mean()


def stacked(case: Case, adapted: list[dict[str, Tensor]]) -> TaskWeights:
    """Return hand-adapted parameters in the package's form."""
    return TaskWeights(
        {name: torch.stack([own[name] for own in adapted]) for name in case.log_rates}
    )


def design(made: Case, task: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows that the task's last layer is fitted to, by hand: z, y - offset, weight."""
    p = dict(made.backbone.named_parameters())
    user, mine = int(made.user[task]), of_task(made.support, task)
    n = int((mine.weight > 0).sum())
    x = made.written.features(p, user, mine.item[:n])
    if mine.partner is not None and mine.mix is not None:
        share = mine.mix[:n, None]
        x = share * x + (1 - share) * made.written.features(p, user, mine.partner[:n])
    y, v = mine.rating[:n], mine.weight[:n]
    if mine.negative is not None:
        x = torch.cat([x, made.written.features(p, user, mine.negative[:n])])
        y, v = torch.cat([torch.ones(n), torch.zeros(n)]), torch.cat([v, v])
    if made.written.kind == "mf":
        z, offset = x[:, :-1], x[:, -1]
    else:
        for layer in (0, 1):
            x = x @ p[f"head.layers.{layer}.weight"].T + p[f"head.layers.{layer}.bias"]
            x = x.clamp(min=0)
        z, offset = x, torch.zeros(len(x))
    z = torch.cat([z, torch.ones(len(z), 1)], 1)
    return z.detach().numpy(), (y - offset).detach().numpy(), v.numpy()


def start(made: Case) -> np.ndarray:
    """Return the shared last layer as one vector."""
    parameters = dict(made.backbone.named_parameters())
    names = made.backbone.adapted_names("last")
    return np.concatenate([parameters[name].detach().numpy().ravel() for name in names])
