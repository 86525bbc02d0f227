"""Words of a config: what tells two runs apart, and the shortest way to say so."""

from fewrec_cli.report.words import differing, distinguishing, flat, named

CONFIG = {
    "data": {"_target_": "fewrec_cli.data.movielens.MovieLens", "root": "/home", "positive": 4},
    "strategy": {
        "_target_": "my_pkg.mine.Mine",
        "inner_lr": 0.1,
        "adapter": {"_target_": "fewrec_cli.strategy.adapter.ridge.Ridge", "inner_lr": 0.1},
        "phases": {"maml": {"_target_": "fewrec_cli.strategy.maml.MAML"}},
    },
    "logger": {"save_dir": "/tmp"},
    "trainer": {"max_epochs": 3, "devices": 2},
    "scenario": {"curve": [0, 1, "all"], "users": None},
    "evaluation": {"deciles": [5], "save_predictions": True, "gain": "linear"},
    "threads": 8,
    "seed": 1,
}


def test_a_config_becomes_the_words_that_choose_it() -> None:
    assert flat(CONFIG) == {
        "data": "movielens",
        "data.positive": "4",
        "strategy": "mine",
        "strategy.inner_lr": "0.1",
        "strategy/adapter": "ridge",
        "strategy.adapter.inner_lr": "0.1",
        "strategy.phases.maml._target_": "maml",
        "trainer.max_epochs": "3",
        "scenario.curve": "[0,1,all]",
        "scenario.users": "null",
        "evaluation.gain": "linear",
        "seed": "1",
    }


def test_choices_come_before_keys_and_short_keys_before_long_ones() -> None:
    first = {"strategy/adapter": "ridge", "strategy.inner_lr": "1", "strategy.lr": "1", "seed": "0"}
    other = {"strategy/adapter": "none", "strategy.inner_lr": "2", "strategy.lr": "2", "seed": "0"}
    assert differing([first, other]) == ("strategy/adapter", "strategy.lr", "strategy.inner_lr")
    assert distinguishing([first, other]) == ("strategy/adapter",)


def test_as_many_words_as_it_takes() -> None:
    several = [{"a": str(n & 1), "b": str(n >> 1 & 1), "c": "0"} for n in range(4)]
    assert distinguishing(several) == ("a", "b")
    many = [{key: str(n >> place & 1) for place, key in enumerate("abcde")} for n in range(32)]
    assert distinguishing(many) == tuple("abcde")


def test_one_needs_no_word() -> None:
    assert distinguishing([{"a": "1"}]) == ()
    assert named("maml", {"a": "1"}, ()) == "maml"


def test_a_word_that_only_one_has_tells_them_apart() -> None:
    keys = distinguishing([{"a": "1"}, {"a": "1", "b": "2"}])
    assert keys == ("b",)
    assert [named("x", words, keys) for words in ({"a": "1"}, {"a": "1", "b": "2"})] == [
        "x",
        "x (b=2)",
    ]


def test_sizes_are_told_where_nothing_else_differs() -> None:
    first = {"scenario.curve": "[1]", "scenario.validation": "0.1"}
    other = {"scenario.curve": "[5]", "scenario.validation": "0.2"}
    assert distinguishing([first, other]) == ("scenario.validation",)
    assert distinguishing([first, {**first, "scenario.curve": "[5]"}]) == ("scenario.curve",)
