"""Which path the inner loop takes, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from fewrec_cli.backbone.base import AdaptedSet, Backbone
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.engine import fast, general
from fewrec_cli.engine.base import InnerLoop
from fewrec_cli.scenario.batch import Rows

Engine = Literal["auto", "fast", "vmap", "loop"]


@dataclass(frozen=True)
class EnginePath:
    """The path that was taken.

    Attributes:
        path: ``fast``: the head's gradient in closed form; ``vmap``: any module, all tasks at
            once; ``loop``: one task after the other; ``ridge``: no steps, one solve.
        reason: Why, in a few words.
    """

    path: Literal["fast", "vmap", "loop", "ridge"]
    reason: str

    def __str__(self) -> str:
        return f"{self.path} ({self.reason})"


def choose(
    engine: Engine,
    backbone: Backbone,
    names: Sequence[str],
    which: AdaptedSet,
    *,
    element: bool,
    steps: int,
) -> EnginePath:
    """Choose the fastest path that can be taken, or check the one that was asked for.

    Args:
        engine: ``strategy.engine``.
        backbone: Prepared.
        names: Adapted parameters, relative to the backbone.
        which: The adapted set they are.
        element: Whether there is a step size per number.
        steps: Inner steps.

    Raises:
        ConfigError: The path asked for cannot be taken, or none can.
    """
    statistics = general.refuse_batch_statistics(backbone)
    if statistics is not None:
        raise ConfigError(
            f"tasks cannot be adapted on their own: {statistics}",
            "choose another backbone, or replace the layer",
        )
    if engine == "loop":
        return EnginePath("loop", "as asked")
    if which == "all" and set(names) == set(backbone.adapted_names("head")):
        which = "head"  # a frozen language model has nothing else
    not_fast = fast.refusal(backbone, which, element=element, steps=steps)
    if engine == "fast" and not_fast is not None:
        raise ConfigError(
            f"strategy.engine=fast cannot be taken: {not_fast}", "choose strategy.engine=auto"
        )
    if engine != "vmap" and not_fast is None:
        return EnginePath("fast", f"closed form of the {backbone.head.spec.form} head")
    not_batched = vmap_refusal(backbone, names)
    if engine == "vmap" and not_batched is not None:
        raise ConfigError(
            f"strategy.engine=vmap cannot be taken: {not_batched}",
            "choose strategy.engine=auto, which takes the loop",
        )
    if not_batched is not None:
        return EnginePath("loop", f"vmap refuses: {not_batched}")
    return EnginePath("vmap", "as asked" if not_fast is None else f"not fast: {not_fast}")


def vmap_refusal(backbone: Backbone, names: Sequence[str]) -> str | None:
    """Return why the backbone cannot be run over tasks at once, or None: two rows are tried."""
    parameter = backbone.get_parameter(names[0])
    user = torch.zeros(2, dtype=torch.long, device=parameter.device)
    one = torch.ones(2, 1, dtype=parameter.dtype, device=parameter.device)
    rows = Rows(user[:, None], one, one)
    still = {name: parameter.new_zeros(()) for name in names}
    loop = InnerLoop(tuple(names), still, 1, second_order=False, scale=one[:, 0])
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            general.inner_loop(backbone, user, rows, loop)
    except (RuntimeError, NotImplementedError) as refused:
        return str(refused).splitlines()[0]
    return None
