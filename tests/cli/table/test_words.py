"""Words of a run: the experiment's, and what is put over them."""

from fewrec_cli.cli.table.words import experiment_words, over
from fewrec_cli.core.errors import ConfigError

GROUPS = ("data", "strategy", "strategy/adapter", "backbone")


def test_an_experiment_becomes_words() -> None:
    faults: list[ConfigError] = []
    content = {
        "defaults": ["_self_", {"override /strategy/adapter": "ridge"}],
        "data": {"version": "1m", "rare": 5, "root": None, "scales": {}},
        "strategy": {"support": [3, "all"], "x": 5e-06, "flag": True, "text": "a b, 'c'"},
        "scenario": {"seed": "${seed}"},
    }
    assert experiment_words(content, "table-x", faults) == (
        "strategy/adapter=ridge",
        "data.version=1m",
        "data.rare=5",
        "data.root=null",
        "data.scales={}",
        "strategy.support=[3,all]",
        "strategy.x=5e-06",
        "strategy.flag=true",
        "strategy.text='a b, \\'c\\''",
        "scenario.seed=${seed}",
    )
    assert not faults


def test_a_group_chosen_anew_drops_what_the_experiment_says_of_it() -> None:
    base = ["strategy=maml", "strategy/adapter=gradient", "strategy.epochs=3", "data=movielens"]
    assert over(base, GROUPS, ["strategy=reptile"]) == ("data=movielens", "strategy=reptile")


def test_an_option_within_an_option_leaves_the_outer_one() -> None:
    base = ["strategy=maml", "strategy/adapter=gradient", "strategy.epochs=3"]
    assert over(base, GROUPS, ["strategy/adapter=ridge"]) == (
        "strategy=maml",
        "strategy/adapter=ridge",
        "strategy.epochs=3",
    )


def test_the_last_word_for_a_key_counts_and_layers_keep_each_other_s_settings() -> None:
    layers = (["strategy=maml", "strategy.epochs=3"], ["strategy.epochs=4"], ["seed=1"])
    assert over([], GROUPS, *layers) == ("strategy=maml", "strategy.epochs=4", "seed=1")
