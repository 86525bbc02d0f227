import numpy as np

from tests.scenario.contract import SMALL, ScenarioContract, made, shipped


class TestWarm(ScenarioContract):
    name = "warm"


def test_the_same_share_of_every_user_is_held_out() -> None:
    dataset = made()
    split = shipped("warm", **{**SMALL, "min_interactions": 3}).split(dataset)
    counts = dataset.rows_per_user()
    np.testing.assert_array_equal(
        np.diff(split.test.offsets), np.floor(0.3 * counts + 1e-9)[split.test.user]
    )
    held = counts - np.bincount(dataset.interactions.user[split.train], minlength=30)
    np.testing.assert_array_equal(held, 2 * np.floor(0.3 * counts + 1e-9))


def test_all_users_of_tasks_are_known() -> None:
    split = shipped("warm", **SMALL).split(made())
    assert split.known_users[split.test.user].all()


def test_history_is_on_as_shipped_and_holds_training_rows_only() -> None:
    scenario = shipped("warm", **SMALL)
    split = scenario.split(made())
    drawn = scenario.draw(split.test, 0)
    shown = drawn.history[drawn.history >= 0]
    assert len(shown)
    assert np.isin(shown, split.train).all()
