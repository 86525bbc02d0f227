"""Users split at random into three groups: shares, bounds, refusals."""

import numpy as np
import pytest

from fewrec_cli.core.errors import ScenarioError
from fewrec_cli.scenario.people import share_faults, split_people


def test_582_users_are_split_as_the_paper_s_shares_say() -> None:
    among = np.arange(0, 1164, 2)
    people = split_people(among, 1200, fraction=0.1, validation=0.1, seed=0)
    groups = [
        set(np.flatnonzero(one).tolist()) for one in (people.train, people.valid, people.test)
    ]
    assert [len(group) for group in groups] == [466, 58, 58]
    assert set.union(*groups) == set(among.tolist())


def test_without_validation_nobody_validates_and_the_tested_stay_the_same() -> None:
    words = {"fraction": 0.2, "seed": 3}
    usual = split_people(np.arange(50), 50, validation=0.1, **words)
    none = split_people(np.arange(50), 50, validation=None, **words)
    assert not none.valid.any()
    np.testing.assert_array_equal(usual.test, none.test)
    np.testing.assert_array_equal(usual.train | usual.valid, none.train)


def test_every_user_is_tested_about_as_often_as_any_other() -> None:
    tested = sum(
        split_people(np.arange(40), 40, fraction=0.25, validation=0.25, seed=seed).test.astype(int)
        for seed in range(400)
    )
    assert tested.sum() == 400 * 10
    assert np.abs(tested - 100).max() < 5 * np.sqrt(400 * 0.25 * 0.75)


@pytest.mark.parametrize("users", [0, 1, 4])
def test_too_few_users_are_told(users: int) -> None:
    with pytest.raises(ScenarioError, match=f"{users} users cannot be split into 0 test"):
        split_people(np.arange(users), 10, fraction=0.1, validation=0.1, seed=0)


def test_shares_that_leave_nobody_are_a_fault() -> None:
    assert not share_faults(0.1, None)
    assert "leave no user to pretrain on" in str(share_faults(0.6, 0.4)[0])
    assert "scenario.fraction=1.5 is not a fraction" in str(share_faults(1.5, None)[0])
