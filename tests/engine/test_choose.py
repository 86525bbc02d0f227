"""Which path is taken and why, and that every strategy ends the same on each of them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fewrec_cli.backbone.base import HeadSpec
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.engine.choose import Engine, EnginePath, choose
from tests.engine.case import Case, case, close
from tests.strategy.feeding import batch, strategy


def chosen(made: Case, engine: Engine = "auto", which: Any = "head", **words: Any) -> EnginePath:
    names = made.backbone.adapted_names(which)
    given = {"element": False, "steps": 2, **words}
    return choose(engine, made.backbone, names, which, **given)


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("which", ["head", "last", "bias"])
def test_heads_of_known_form_are_fast(kind, which) -> None:
    path = chosen(case(kind), which=which)
    assert path.path == "fast"
    assert str(path) == f"fast (closed form of the {made_form(kind)} head)"


def made_form(kind: str) -> str:
    return {"mf": "factor", "mlp": "mlp"}[kind]


@pytest.mark.parametrize("engine", ["vmap", "loop"])
def test_what_is_asked_for_is_taken(engine) -> None:
    assert chosen(case("mlp"), engine) == EnginePath(engine, "as asked")


@pytest.mark.parametrize(
    ("kind", "words", "reason"),
    [
        ("mlp", {"which": "all"}, "strategy.adapted=all moves more than the head"),
        ("mlp", {"element": True}, "a step size per number needs every task's weights in full"),
        ("mf", {"steps": 0}, "no steps are taken"),
    ],
)
def test_without_a_closed_form_vmap_says_why(kind, words, reason) -> None:
    made = case(kind)
    assert chosen(made, **words) == EnginePath("vmap", f"not fast: {reason}")
    with pytest.raises(ConfigError, match=f"strategy.engine=fast cannot be taken: {reason}"):
        chosen(made, "fast", **words)


def test_a_head_of_another_form_is_not_fast() -> None:
    made = case("mlp")
    made.backbone.head.spec = HeadSpec("other", ())
    assert (
        chosen(made).reason == "not fast: the head is neither factors nor linear layers with ReLU"
    )


def test_a_head_with_more_than_its_layers_is_not_fast() -> None:
    made = case("mlp")
    made.backbone.head.register_parameter("gain", nn.Parameter(torch.ones(())))
    assert chosen(made).path == "vmap"


class Sorted(nn.Module):
    """Reads a value, which no batched form of it could do."""

    def forward(self, features: Tensor) -> Tensor:
        return features if float(features.detach().sum()) < 1e9 else -features


def test_what_vmap_refuses_goes_through_the_loop() -> None:
    made = case("mlp")
    head: Any = made.backbone.head
    head.spec = HeadSpec("other", ())
    head.layers[0] = nn.Sequential(Sorted(), head.layers[0])
    path = chosen(made)
    assert path.path == "loop"
    assert path.reason.startswith("vmap refuses: ")
    with pytest.raises(ConfigError, match=r"engine=vmap cannot be taken: "):
        chosen(made, "vmap")


def test_trying_vmap_draws_no_random_number() -> None:
    made = case("mlp")
    made.backbone.train()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    chosen(made, "vmap")
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("engine", ["auto", "fast", "vmap", "loop"])
def test_batch_statistics_are_refused_on_every_path(engine) -> None:
    made = case("mlp")
    head: Any = made.backbone.head
    head.layers[0] = nn.Sequential(head.layers[0], nn.BatchNorm1d(5))
    with pytest.raises(ConfigError, match="BatchNorm, whose statistics would mix tasks"):
        chosen(made, engine)


STRATEGIES = {
    "maml": ("strategy=maml",),
    "first": ("strategy=maml", "strategy.order=first", "strategy.inner_steps=2"),
    "anil": ("strategy=maml", "strategy.adapted=last"),
    "augmented": ("strategy=maml", "strategy/augment=[mixup,drop]", "strategy.inner_steps=2"),
    "reptile": ("strategy=reptile", "strategy.adapted=head"),
    "transfer": ("strategy=transfer", "strategy.alpha=0.5"),
}


@pytest.mark.parametrize("kind", ["mf", "mlp"])
@pytest.mark.parametrize("words", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
def test_every_strategy_ends_the_same_on_every_path(kind, words, feedback) -> None:
    made = case(kind, "head", feedback)
    found = [trained(made, f"strategy.engine={engine}", *words) for engine in ("fast", "vmap")]
    found.append(trained(made, "strategy.engine=loop", *words))
    for other in found[1:]:
        for one, expected in zip(found[0], other, strict=True):
            close(one, expected)


def trained(made: Case, *words: str) -> list[Tensor]:
    """Return scores, validation losses and, for what is trained on tasks, the outer gradient."""
    own = strategy(made, *words[1:], words[0])
    adapted = own.adapt(made.backbone, made.user, made.support, seed=1, training=False)
    score = adapted.predict(made.backbone, made.user, made.query.item).score
    losses = own.query_losses(made.backbone, adapted, made.user, made.query)
    if own.feed.kind == "rows":
        return [score, losses]
    learned = [p for name, p in made.backbone.named_parameters() if name != "personal"]
    learned += [p for p in own.parameters() if p.requires_grad]
    loss = own.loss(made.backbone, batch(made))
    return [score, losses, *torch.autograd.grad(loss, learned, materialize_grads=True)]
