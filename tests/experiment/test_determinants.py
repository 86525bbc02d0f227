"""Whatever moves the trained weights moves the facts they are kept under."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import FewrecError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.determinants import _state, foreign
from fewrec_cli.experiment.digest import digest
from fewrec_cli.experiment.pretrain import pretrain
from fewrec_cli.experiment.stage import Stage, Trained
from fewrec_cli.experiment.world import build
from tests.composed import SHRUNK_DATA, SHRUNK_RUN, composed

QUIET = Reporter(quiet=True)
FEW = (*SHRUNK_DATA, *SHRUNK_RUN, "trainer.max_steps=3", "scenario.curve=[0,1,2]")
PINNED = "scenario.min_interactions=5"
"""Else shots and query decide which tasks there are."""


class Spy(Stage):
    """Takes nothing, and remembers what would have been kept under which facts."""

    def take(self, facts: dict[str, Any]) -> None:
        return None

    def keep(self, facts: dict[str, Any] | None, trained: Trained, trainer: Any) -> None:
        self.under = facts
        self.found = trained.steps, trained.losses
        modules = (self.world.backbone, self.world.strategy)
        self.weights = [
            value.clone() for module in modules for value in module.state_dict().values()
        ]


def trained(cfg: DictConfig, folder: Path) -> Spy:
    if cfg.logger:
        cfg.logger.save_dir = str(folder)
    torch.set_num_threads(cfg.threads)
    world = build(cfg, QUIET)
    spy = Spy(cfg, world, QUIET)
    try:
        pretrain(cfg, world, folder, QUIET, spy)
    finally:
        torch.set_num_threads(1)
    return spy


def same(one: Spy, two: Spy) -> bool:
    """Whether two runs ended with the same weights at the same step, to the last bit."""
    pairs = zip(one.weights, two.weights, strict=False)
    equal = len(one.weights) == len(two.weights) and all(torch.equal(a, b) for a, b in pairs)
    return equal and one.found == two.found


FREE = (
    ("strategy=maml", "evaluation.k=[1,2]"),
    ("strategy=maml", "evaluation.positives=top:1"),
    ("strategy=maml", "evaluation.no_positive=zero"),
    ("strategy=maml", "evaluation.item_shrinkage=3"),
    ("strategy=maml", "evaluation.deciles=[0]"),
    ("strategy=maml", "evaluation.save_predictions=true"),
    ("strategy=maml", "scenario.draws=1"),
    ("strategy=maml", "scenario.candidates=sampled:5"),
    ("strategy=maml", "scenario.shots=1"),
    ("strategy=maml", "strategy.adapter.strengths=[0.5,1.0,2.0]"),
    ("strategy=maml", "logger=csv"),
    ("strategy=anil", "strategy.shown_as=another"),
    ("strategy=transfer strategy/adapter=ridge", "strategy.adapter.strengths=[0.1,3.0]"),
    ("strategy=transfer scenario.pool=true scenario=item_cold", "evaluation.pool_bias=5"),
)
"""What acts on nothing before the weights are chosen."""


@pytest.fixture(scope="module")
def before() -> dict[str, Spy]:
    return {}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "further"), FREE)
def test_what_is_left_out_of_the_facts_leaves_the_weights_as_they_are(
    words: str, further: str, before: dict[str, Spy], tmp_path: Path
) -> None:
    given = (*words.split(), *FEW, PINNED)
    if words not in before:
        before[words] = trained(composed(*given), tmp_path)
    after = trained(composed(*given, further), tmp_path)
    assert before[words].under is not None
    assert before[words].under == after.under
    assert same(before[words], after)


BOUND = (
    "seed=1",
    "threads=2",
    "data.seed=1",
    "data.ratings_per_user=[24,30]",
    "data.positive=5",
    "scenario.seed=1",
    "scenario.fraction=0.3",
    "scenario.validation=0.2",
    "scenario.validation=null",
    "scenario.query=4",
    "scenario.curve=[0,1,3]",
    "scenario=item_cold",
    "backbone=mlp",
    "backbone.factors=3",
    "backbone.id_dropout=0.5",
    "backbone.l2=1",
    "strategy=reptile",
    "strategy=anil",
    "strategy.outer_lr=0.1",
    "strategy.patience=1",
    "strategy.support=[1,3]",
    "strategy.augment_weight=0.5",
    "strategy/adapter=ridge",
    "strategy.inner_lr=0.2",
    "strategy.engine=loop",
    "trainer.max_steps=2",
    "trainer.precision=bf16-mixed",
    "trainer.gradient_clip_val=0.1",
)


class AskedError(Exception):
    """Ends a run where it would train."""


class First(Spy):
    """Is asked, and lets nothing be trained."""

    def take(self, facts: dict[str, Any]) -> None:
        self.under = facts
        raise AskedError


def facts(*words: str) -> dict[str, Any]:
    return facts_of(composed(*FEW, PINNED, *words))


def facts_of(cfg: DictConfig) -> dict[str, Any]:
    if cfg.logger:
        cfg.logger.save_dir = "nowhere"  # else Hydra's, of a job
    torch.set_num_threads(cfg.threads)
    world = build(cfg, QUIET)
    spy = First(cfg, world, QUIET)
    try:
        with pytest.raises(AskedError):
            pretrain(cfg, world, Path("nowhere"), QUIET, spy)
    finally:
        torch.set_num_threads(1)
    assert spy.under is not None
    return spy.under


@pytest.mark.slow
@pytest.mark.parametrize("word", BOUND)
def test_what_may_move_the_weights_is_in_the_facts(word: str) -> None:
    assert facts(word) != facts()


@pytest.mark.slow
def test_facts_are_the_same_each_time_and_name_what_was_trained() -> None:
    first = facts()
    assert first == facts()
    assert first["shown"] == (
        f"synthetic, {first['shown'].split(', ')[1]}, mf, maml with gradient, seed 0"
    )
    assert facts("seed=1") != first
    assert facts("evaluation.k=[1]", "scenario.shots=1", "logger=csv") == first


def test_the_order_of_phases_is_a_fact() -> None:
    cfg = composed(*FEW, "strategy=combined")
    one = facts_of(cfg)
    phases = cfg.strategy.phases
    cfg.strategy.phases = {name: phases[name] for name in reversed(list(phases))}
    two = facts_of(cfg)
    assert json.dumps(one["strategy"]) != json.dumps(two["strategy"])
    assert list(one["strategy"]["phases"]) == list(reversed(two["strategy"]["phases"]))


def test_the_start_is_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    first = facts()
    from fewrec_cli.experiment import determinants

    real = determinants._state

    def moved(module: torch.nn.Module) -> dict[str, Any]:
        state = real(module)
        return {**state, "buffers": {**state["buffers"], "another": torch.zeros(1)}}

    monkeypatch.setattr(determinants, "_state", moved)
    assert facts() != first


def test_settings_that_came_with_a_network_are_a_fact() -> None:
    def state(dropout: float) -> str:
        config = SimpleNamespace(to_json_string=lambda: json.dumps({"dropout": dropout}))
        outer = torch.nn.Module()
        outer.inner = torch.nn.Module()
        outer.inner.config = config  # type: ignore[assignment]
        return digest(_state(outer))

    assert state(0.1) == state(0.1) != state(0.2)


@pytest.mark.slow
def test_memory_code_and_machine_are_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    first = facts()
    monkeypatch.setattr("fewrec_cli.experiment.determinants._cpu", lambda: "another")
    assert facts()["machine"] != first["machine"]
    monkeypatch.setattr("fewrec_cli.experiment.room.free_bytes", lambda _: 1 << 17)
    assert facts()["parts"] != first["parts"]
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0")
    assert facts()["versions"] != first["versions"]


def test_classes_of_others_are_found_wherever_they_stand() -> None:
    assert foreign(composed("strategy=combined")) is None
    cfg = composed("strategy=combined")
    cfg.strategy.phases.maml._target_ = "mine.MAML"
    assert foreign(cfg) == "mine.MAML"


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif not path.endswith("_"):  # Hydra's own: _target_, _partial_
        yield path, node


def other(value: Any) -> Any:
    """Return another value of the same kind, or None where no rule makes one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.5 if value else 0.25
    if isinstance(value, list) and value and isinstance(value[-1], int):
        return [*value[:-1], value[-1] + 1]
    return None


PASSED_OVER = ("table", "logger", "trainer.devices")
"""Not of a run; and another number of devices would start this test in another process."""
SETTINGS = (
    "strategy=maml",
    "strategy=transfer strategy/adapter=ridge",
    "strategy=reptile backbone=mlp",
    "strategy=combined strategy/augment=[noise]",
    "strategy=meta_ridge scenario=item_cold scenario.history=true",
    "strategy=in_context",
)


@pytest.mark.slow
@pytest.mark.parametrize("words", SETTINGS)
def test_no_word_of_a_config_moves_the_weights_and_not_the_facts(
    words: str, tmp_path: Path
) -> None:
    def config() -> DictConfig:
        return composed(*words.split(), *FEW, PINNED)

    first = trained(config(), tmp_path)
    moved = kept = refused = 0
    for path, value in leaves(OmegaConf.to_container(config(), resolve=False)):
        changed = other(value)
        if changed is None or path.startswith(PASSED_OVER):
            continue
        cfg = config()
        OmegaConf.update(cfg, path, changed)
        try:
            second = trained(cfg, tmp_path)
        except (FewrecError, InstantiationException):
            refused += 1
            continue
        if second.under == first.under:
            kept += 1
            assert same(first, second), f"{path}={changed} moves the weights"
        else:
            moved += 1
    assert kept >= 5
    assert moved >= 10
    assert refused < moved
