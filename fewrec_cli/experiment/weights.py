"""Trained weights on disk: written whole, read without running anything."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from fewrec_cli.core.errors import RunFolderError
from fewrec_cli.core.paths import written

CHECKPOINT = "checkpoint.ckpt"
INTERRUPTED = "interrupted.ckpt"

Weights = Mapping[str, Tensor]
"""Tensors by module and name, e.g. ``backbone.item``."""


def save_weights(path: Path, modules: Mapping[str, nn.Module], **facts: Any) -> None:
    """Write the modules' weights under their words, and plain facts.

    The file loads with ``torch.load(..., weights_only=True)``.
    """
    state = {
        f"{word}.{name}": value.detach().cpu()
        for word, module in modules.items()
        for name, value in module.state_dict().items()
    }
    with written(path) as beside:
        torch.save({"state_dict": state, **facts}, beside)


def keep_interrupted(folder: Path, modules: Mapping[str, nn.Module]) -> str:
    """Save the weights of an interrupted run as they stand, and say so."""
    save_weights(folder / INTERRUPTED, modules)
    return (
        f"kept in {folder}: config.yaml, log.txt and the weights so far, {INTERRUPTED} "
        f"(start from them with backbone.weights={folder})"
    )


def load_weights(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Put saved weights into modules of the same shape, in place.

    Raises:
        RunFolderError: The file is missing or broken, or holds weights of another shape.
    """
    put_weights(read_weights(path), modules, path)


def put_weights(state: Weights, modules: Mapping[str, nn.Module], path: Path) -> None:
    """Put weights that were read from ``path`` into modules of the same shape, in place.

    Raises:
        RunFolderError: They have another shape.
    """
    for word, module in modules.items():
        own = {
            name.removeprefix(f"{word}."): value
            for name, value in state.items()
            if name.startswith(f"{word}.")
        }
        problem = _misfit(module.state_dict(), own)
        if problem:
            raise RunFolderError(
                f"the {word} of {path} does not fit: {problem}",
                "give a run of the same backbone, data and scenario",
            )
        module.load_state_dict(own)


def _misfit(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Say in a few words why weights cannot be taken over; empty where they can."""
    odd = sorted(set(wanted) ^ set(given))
    if odd:
        side = "lacks" if odd[0] in wanted else "has a further"
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        return f"it {side} {odd[0]}{more}"
    for name, value in wanted.items():
        if value.shape != given[name].shape:
            return f"{name} has shape {tuple(given[name].shape)}, here {tuple(value.shape)}"
    return ""


def read_weights(path: Path) -> Weights:
    """Read what ``save_weights`` wrote, onto the CPU.

    Raises:
        RunFolderError: The file is missing or broken.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        state: dict[str, Tensor] = content["state_dict"]
    except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, TypeError) as fault:
        reason = getattr(fault, "strerror", None) or "not a checkpoint of fewrec"
        raise RunFolderError(
            f"cannot load the weights {path}: {reason}",
            "give the folder of a finished run, the last line that fewrec train printed",
        ) from fault
    return state
