"""A config brought to life: seeded weights, standard units, faults as they were raised."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.world import World, build, build_strategy, make, plain
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

WORDS = (*SHRUNK_DATA, *SHRUNK_RUN)


def built(*words: str) -> World:
    return build(composed(*WORDS, *words), Reporter(quiet=True))


@pytest.fixture(scope="module")
def world() -> World:
    return built()


def test_training_rows_are_those_of_the_split_in_standard_units(world: World) -> None:
    assert len(world.train) == len(world.rows) == len(world.split.train) == world.totals.rows
    cold = set(world.split.test.user) | set(world.split.valid.user)
    assert not cold & set(world.train.user)
    ratings = world.rows.rating(np.arange(len(world.rows)))
    assert ratings.mean() == pytest.approx(0, abs=1e-5)
    assert ratings.std() == pytest.approx(1, abs=1e-5)
    assert world.tensors.mean == pytest.approx(world.train.rating.mean())


def test_weights_follow_the_seed_of_the_run(world: World) -> None:
    states = [one.backbone.state_dict() for one in (world, built(), built("seed=1"))]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not torch.equal(states[0]["item"], states[2]["item"])


def test_the_seed_of_the_run_leaves_the_tasks_alone(world: World) -> None:
    other = built("seed=1")
    for ours, theirs in ((world.split.test, other.split.test), (world.split.valid, None)):
        assert theirs is None or np.array_equal(ours.rows, theirs.rows)
    drawn = [one.scenario.draw(one.split.test, 1) for one in (world, other)]
    np.testing.assert_array_equal(drawn[0].query, drawn[1].query)


def test_words_that_only_the_adapter_reads_reach_it() -> None:
    strategy = build_strategy(composed("strategy=transfer", "strategy.inner_steps=3"))
    assert strategy.adapter.inner_steps == 3


def test_a_fault_of_ours_comes_out_as_it_was_raised() -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.k must be whole numbers"):
        make(composed("evaluation.k=[0]").evaluation)


def test_other_faults_keep_hydras_own() -> None:
    with pytest.raises(InstantiationException):
        make({"_target_": "fractions.Fraction", "numerator": "x"})


def test_plain_refuses_what_is_no_mapping() -> None:
    assert plain(OmegaConf.create({"a": 1, "b": "${a}"})) == {"a": 1, "b": 1}
    with pytest.raises(TypeError, match="expected a mapping"):
        plain(OmegaConf.create([1]))


def test_a_world_is_frozen(world: World) -> None:
    assert replace(world).dataset is world.dataset
    with pytest.raises(AttributeError):
        world.dataset = None  # type: ignore[misc, assignment]
