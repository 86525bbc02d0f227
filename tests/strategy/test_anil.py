"""ANIL: the contract, and that its inner loop moves the last layer alone."""

from fewrec_cli.experiment.pipeline import strategy_word
from tests.composed import composed
from tests.contracts import StrategyContract
from tests.engine.case import adapt_by_hand, case, close
from tests.strategy.feeding import batch, built_strategy, strategy, with_rates_of


class TestANIL(StrategyContract):
    words = ("strategy=anil",)


def test_the_inner_loop_moves_the_last_layer_alone() -> None:
    made = case("mlp", "last")
    found = strategy(made, "strategy=anil")
    weights = found.adapt(made.backbone, made.user, made.support, seed=0, training=False)
    values = weights.values_by_name()
    assert set(values) == {"head.layers.2.weight", "head.layers.2.bias"}
    steps = found.adapter.inner_steps
    for task, own in enumerate(adapt_by_hand(with_rates_of(made, found), steps, "second")):
        for name, value in values.items():
            close(value[task], own[name])


def test_all_that_lies_below_learns_in_the_outer_loop() -> None:
    made = case("mlp", "last")
    strategy(made, "strategy=anil").loss(made.backbone, batch(made)).backward()
    for name in ("head.layers.0.weight", "head.layers.1.bias", "item", "item_side.table"):
        gradient = made.backbone.get_parameter(name).grad
        assert gradient is not None
        assert gradient.any()


def test_it_is_maml_but_for_what_is_adapted() -> None:
    anil, maml = built_strategy("strategy=anil"), built_strategy("strategy=maml")
    assert type(anil) is type(maml)
    assert (anil.outer, anil.feed) == (maml.outer, maml.feed)
    assert (vars(anil.adapter)["which"], vars(maml.adapter)["which"]) == ("last", "head")


def test_tables_call_it_by_its_own_name() -> None:
    assert strategy_word(composed("strategy=anil")) == "anil"
    assert strategy_word(composed("strategy=maml")) == "maml"
