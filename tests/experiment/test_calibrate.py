"""Who tells the adapter how large its errors are."""

from dataclasses import replace

import torch

from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.calibrate import calibrate
from fewrec_cli.experiment.pretrain import validation_batches
from fewrec_cli.experiment.world import World, build
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

RIDGE = ("strategy=transfer", "strategy/adapter=ridge")


def world(*words: str) -> World:
    return build(composed(*SHRUNK_DATA, *SHRUNK_RUN, *RIDGE, *words), Reporter(quiet=True))


def test_validation_tasks_tell_and_else_those_of_training() -> None:
    held, none = world(), world("scenario.validation=null")
    assert not validation_batches(none)
    for made in (held, none):
        calibrate(made, validation_batches(made))
        assert 0.1 < made.strategy.adapter.noise.item() < 2
    again = world()
    calibrate(again, [])
    assert again.strategy.adapter.noise != held.strategy.adapter.noise


def test_augmented_supports_are_those_that_are_calibrated() -> None:
    plain, stretched = world(), world("strategy/augment=[noise]")
    for made in (plain, stretched):
        calibrate(made, validation_batches(made))
    assert plain.strategy.adapter.noise != stretched.strategy.adapter.noise


def test_a_gradient_adapter_is_left_alone() -> None:
    made = world("strategy/adapter=gradient")
    before = {name: value.clone() for name, value in made.strategy.state_dict().items()}
    calibrate(made, validation_batches(made))
    for name, value in made.strategy.state_dict().items():
        assert torch.equal(value, before[name])


def test_implicit_data_have_no_errors_to_learn() -> None:
    made = world()
    calibrate(replace(made, dataset=replace(made.dataset, scale=None)), validation_batches(made))
    assert made.strategy.adapter.noise == 1
