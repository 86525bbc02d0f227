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


def load_weights(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Put saved weights into modules of the same shape, in place.

    Raises:
        RunFolderError: The file is missing or broken, or holds weights of another shape.
    """
    state = _read(path)
    for word, module in modules.items():
        own = {
            name.removeprefix(f"{word}."): value
            for name, value in state.items()
            if name.startswith(f"{word}.")
        }
        try:
            module.load_state_dict(own)
        except RuntimeError as fault:
            raise RunFolderError(
                f"the {word} of {path} does not fit: {_first_mismatch(fault)}",
                "give a run of the same backbone, data and scenario",
            ) from fault


def _read(path: Path) -> dict[str, Tensor]:
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


def _first_mismatch(fault: RuntimeError) -> str:
    lines = [line.strip() for line in str(fault).splitlines()]
    return lines[1] if len(lines) > 1 else lines[0]
