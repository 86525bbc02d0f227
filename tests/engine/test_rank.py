"""Ranking a catalogue in blocks against one user and one item at a time."""

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fewrec_cli.backbone.base import Backbone, Head, HeadSpec
from fewrec_cli.engine import catalogue, fast, general, rank
from fewrec_cli.engine.base import Adapted, Prediction
from fewrec_cli.engine.catalogue import Catalogue
from fewrec_cli.engine.weights import TaskWeights
from fewrec_cli.strategy.meta_ridge_answer import RidgeAnswer
from tests.backbone.small import ITEMS
from tests.engine.case import SETS, Case, case, close
from tests.strategy.feeding import strategy

GRID = [
    one
    for one in product(("mf", "mlp"), SETS, (general, fast), (1, 2))
    if one[:2] != ("mf", "last") and one[1:3] != ("all", fast)
]
cases = pytest.mark.parametrize(("kind", "which", "engine", "steps"), GRID)
LENGTHS = (5, 1, 0, 9)


def adapted_case(
    kind: str, which: str = "head", engine: Any = general, steps: int = 2, *, fields: bool = True
) -> tuple[Case, Adapted]:
    made = case(kind, which, lengths=LENGTHS, fields=fields)
    made.backbone.eval()
    with torch.no_grad():
        loop = made.loop(steps, "first")
        adapt = engine.adapt if engine is fast else engine.inner_loop
        return made, adapt(made.backbone, made.user, made.support, loop)


@torch.no_grad()
def by_hand(made: Case, adapted: Adapted) -> Tensor:
    """Score one task and one item after the other."""
    parameters = dict(made.backbone.named_parameters())
    table = torch.zeros(len(made.user), ITEMS, dtype=torch.float64)
    for task, user in enumerate(made.user.tolist()):
        own = {name: value[task] for name, value in adapted.values_by_name().items()}
        for item in range(ITEMS):
            score = made.written.scores({**parameters, **own}, user, torch.tensor([item]))
            table[task, item] = score[0]
    return table


def lists_by_hand(scores: Tensor, seen: Tensor, k: int) -> list[list[int]]:
    """Sort each user's unseen items, the lower item first where scores are equal."""
    lists = []
    for own, known in zip(scores.tolist(), seen.tolist(), strict=True):
        unseen = [item for item in range(len(own)) if item not in known]
        order = sorted(unseen, key=lambda item: (-own[item], item))[:k]
        lists.append(order + [-1] * (k - len(order)))
    return lists


@cases
def test_scores_equal_one_user_and_one_item_at_a_time(kind, which, engine, steps) -> None:
    made, adapted = adapted_case(kind, which, engine, steps, fields=which != "bias")
    whole = Catalogue(made.backbone, ITEMS)
    with torch.no_grad():
        found = whole.scores(adapted, made.user)
        close(found, by_hand(made, adapted))


@cases
@pytest.mark.parametrize("k", [4, ITEMS + 3])
def test_lists_equal_the_hand_s_and_leave_out_what_was_seen(kind, which, engine, steps, k) -> None:
    made, adapted = adapted_case(kind, which, engine, steps)
    seen = torch.tensor([[0, 3, 5], [-1, 2, -1], [-1, -1, -1], [11, 11, 4]])
    found = rank.top(made.backbone, adapted, made.user, seen, k, ITEMS)
    scores = by_hand(made, adapted)
    assert found.item.tolist() == lists_by_hand(scores, seen, k)
    real = found.item >= 0
    close(found.score[real], scores.gather(1, found.item.clamp(min=0))[real])
    assert bool((found.score[~real] == -torch.inf).all())


def test_without_change_the_shared_weights_rank() -> None:
    made = case("mlp")
    weights = TaskWeights({})
    made.backbone.eval()
    with torch.no_grad():
        every = torch.arange(ITEMS).expand(len(made.user), -1)
        expected = made.backbone(made.user, every)
        found = Catalogue(made.backbone, ITEMS).scores(weights, made.user)
    close(found, expected)


@pytest.mark.parametrize("engine", [general, fast])
def test_blocks_of_tasks_and_of_items_change_nothing(engine, monkeypatch) -> None:
    """A budget so small that every task stands alone and the catalogue comes in pieces."""
    made, adapted = adapted_case("mlp", "head", engine)
    seen = torch.tensor([[0, 3], [9, 11], [-1, -1], [5, 6]])
    whole = rank.top(made.backbone, adapted, made.user, seen, 5, ITEMS)
    for fit in (1, 5, 30):
        monkeypatch.setattr(catalogue, "fitting", lambda device, size, fit=fit: fit)
        found = rank.top(made.backbone, adapted, made.user, seen, 5, ITEMS)
        assert torch.equal(found.item, whole.item)
        close(found.score, whole.score)


def test_what_is_asked_for_item_by_item_fits_too(monkeypatch) -> None:
    made = case("mf", lengths=LENGTHS)
    found = strategy(made, "strategy=meta_ridge").eval()
    with torch.no_grad():
        adapted = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
        whole = Catalogue(made.backbone, ITEMS).scores(adapted, made.user)
        asked = []

        def listening(own: Adapted, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
            asked.append(item.numel() * own.candidate_numbers * 8)
            return real(own, backbone, user, item)

        real = RidgeAnswer.predict
        monkeypatch.setattr(RidgeAnswer, "predict", listening)
        budget = 5 * len(made.user) * adapted.candidate_numbers * 8
        monkeypatch.setattr(catalogue, "fitting", lambda device, size: max(1, budget // size))
        close(Catalogue(made.backbone, ITEMS).scores(adapted, made.user), whole)
    assert len(asked) == 3  # of 12 items 5, 5 and 2
    assert max(asked) <= budget


class OtherHead(Head):
    """Scores the mean of the features: of no form that ranking knows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spec = HeadSpec("other", (width,))
        self.scale = torch.nn.Parameter(torch.ones(()).double())

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * features.mean(-1)

    def linear_view(self, features: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def linear_weights(self) -> Tensor:
        raise NotImplementedError

    def from_linear(self, weights: Tensor) -> dict[str, Tensor]:
        raise NotImplementedError

    def adapted(self, which: str) -> tuple[str, ...]:
        return ("scale",)


class Doubled(TaskWeights):
    """Predicts in its own way, from weights of the head."""

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        return Prediction(2 * super().predict(backbone, user, item).score)


def test_any_other_head_and_any_other_prediction_are_asked_for_every_item() -> None:
    made, adapted = adapted_case("mlp")
    every = torch.arange(ITEMS).expand(len(made.user), -1)
    own = Doubled(adapted.values_by_name())
    with torch.no_grad():
        found = Catalogue(made.backbone, ITEMS).scores(own, made.user)
        close(found, 2 * by_hand(made, adapted))
        made.backbone.head = OtherHead(made.backbone.head.spec.widths[0])
        scales = TaskWeights({"head.scale": torch.tensor([1.0, -1.0, 0.5, 2.0]).double()})
        found = Catalogue(made.backbone, ITEMS).scores(scales, made.user)
        mean = made.backbone.encode(made.user, every).mean(-1)
        close(found, scales.values["head.scale"][:, None] * mean)


class Told(Adapted):
    """Answers from a table of scores, ``(tasks, items)``."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def predict(self, backbone: Backbone, user: Tensor, item: Tensor) -> Prediction:
        return Prediction(self.table.gather(1, item))

    def take(self, tasks: Tensor) -> "Told":
        return Told(self.table[tasks])


@settings(max_examples=30, deadline=None)
@given(
    scores=st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=0, max_size=5),
    seen=st.lists(st.integers(-1, 6), min_size=4, max_size=4),
    k=st.integers(1, 9),
    fit=st.sampled_from([1, 8, 1000]),
)
def test_of_equal_scores_the_lower_item_comes_first(scores, seen, k, fit) -> None:
    table = torch.tensor(scores, dtype=torch.float64).reshape(-1, 7)
    known = torch.tensor(seen).expand(len(table), -1)
    backbone = case("mlp").backbone.eval()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "fitting", lambda device, size: fit)
        user = torch.zeros(len(table), dtype=torch.int64)
        found = rank.top(backbone, Told(table), user, known, k, 7)
    assert found.item.tolist() == lists_by_hand(table, known, k)
    assert found.item.shape == (len(table), k)
