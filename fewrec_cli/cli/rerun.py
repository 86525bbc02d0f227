"""``evaluate``: a finished run's own config, and the few words that may change it."""

import re
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from fewrec_cli.cli.diagnose import quoted
from fewrec_cli.cli.suggest import nearest
from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import ConfigError, Faults, FewrecError, RunFolderError
from fewrec_cli.core.paths import require_folder
from fewrec_cli.experiment.saved import Saved, read_saved
from fewrec_cli.report.words import text

RUN = "run="
FINISHED = "metrics.json"
CONFIG = "config.yaml"
OPEN = ("evaluation", "trainer", "hydra")
TASKS = ("shots", "query", "draws", "curve", "candidates", "history", "pool")
WINDOWS = "fewrec_cli.scenario.windows.Windows"
"""A scenario of which two more words decide which tasks, and which training rows, there are."""
REMEDY = "train anew to change it: fewrec train"


def opened(line: Line) -> tuple[Path, Line]:
    """Find the run and return it with the line that Hydra gets.

    Args:
        line: As typed: ``run=FOLDER`` and words that leave the cold set alone.

    Returns:
        The run folder, and the line without ``run=``, with the words that make Hydra read the
        run's config and write beside other evaluations of the same kind of run.

    Raises:
        RunFolderError: There is no such run, or it is unfinished.
        Faults: Words that would change who is cold, or that evaluation does not read.
    """
    given = [word for word in line.words if word.startswith(RUN)]
    if not given:
        bare = next((word for word in line.words if "=" not in word), None)
        raise ConfigError(
            "evaluate lacks the run to score",
            f"did you mean run={bare}?"
            if bare is not None
            else "write run=FOLDER, the last line that train printed",
        )
    if len(given) > 1:
        raise ConfigError(
            f"evaluate scores one run at a time, got {len(given)}: {' '.join(given)}",
            "keep one of them, and call evaluate for each",
        )
    base = finished(given[0].removeprefix(RUN).strip("'\""))
    words = [word for word in line.words if not word.startswith(RUN)]
    saved = read_saved(base)
    scenario = _scenario(base, saved)
    faults = [fault for word in words for fault in _refused(word, scenario)]
    if faults:
        raise Faults(faults)
    flags = tuple(flag for flag in line.flags if flag[0] != "--config-name")
    own = [*_places(base), *_pinned(scenario, words)]
    return base, replace(line, flags=flags, words=(*own, *_completed(saved, words)))


def finished(given: str) -> Path:
    """Return the absolute folder of a finished run.

    Raises:
        RunFolderError: There is no such folder, or it holds no finished run.
    """
    base = Path(given).absolute()
    require_folder(Path(given), "give the last line that fewrec train printed", what="run folder")
    for name in (CONFIG, FINISHED):
        if not (base / name).is_file():
            raise RunFolderError(
                f"{given} holds no finished run: {name} is missing",
                "give the folder of a finished run, the last line that fewrec train printed",
            )
    return base


def _refused(word: str, scenario: DictConfig) -> list[FewrecError]:
    """Why a word cannot be taken, if so."""
    key = word.lstrip("+~").partition("=")[0]
    group, dot, name = key.partition(".")
    if key.startswith("hydra/") or (dot and group in OPEN):
        return []
    allowed = ", ".join(f"scenario.{one}" for one in TASKS if one in scenario)
    if group != "scenario":
        return [
            ConfigError(
                f"{key} was settled when the run was trained",
                f"{REMEDY} ... {word}   (free here: {allowed}, evaluation.*, trainer.*)",
            )
        ]
    if dot and name not in scenario:
        near = nearest(name, [one for one in TASKS if one in scenario])
        free = f"free here: {allowed}"
        return [
            ConfigError(
                f"{key} is not an option of the run's scenario",
                f"did you mean scenario.{near}?   ({free})" if near else free,
            )
        ]
    if key == "scenario.shots" and scenario.get("shots") == 0 and not word.endswith("=0"):
        return [
            ConfigError(
                "the run was trained with scenario.shots=0: its tasks keep no support",
                f"{REMEDY} ... {word}",
            )
        ]
    if name in ("shots", "query") and scenario.get("_target_") == WINDOWS:
        return [
            ConfigError(
                f"{key} decides which windows there are, and some may be trained on",
                f"{REMEDY} ... {word}   (fewer shots of the same windows: scenario.curve=[...])",
            )
        ]
    if name in TASKS:
        return []
    what = f"{key} decides who is cold or which tasks there are; evaluate keeps the run's own"
    return [ConfigError(what, f"{REMEDY} ... {word}   (free here: {allowed})")]


def _places(base: Path) -> list[str]:
    """Where Hydra reads the run's config, and where the evaluation goes."""
    parent = base.parent
    middle = parent.name if parent.parent.name in ("train", "evaluate") else base.name
    folder = f"outputs/evaluate/{middle}/${{fewrec.time:}}-${{fewrec.hash:}}"
    return [f"hydra.searchpath=[{quoted(f'file://{base}')}]", f"hydra.run.dir={quoted(folder)}"]


def _scenario(base: Path, saved: Saved) -> DictConfig:
    scenario = saved.cfg.get("scenario")
    if not isinstance(scenario, DictConfig):
        raise RunFolderError(
            f"{base / CONFIG} has no scenario", "give the folder of a run of fewrec train"
        )
    return scenario


def _completed(saved: Saved, words: list[str]) -> list[str]:
    """The words, those for keys that came after the run as additions, and such keys' old values."""
    new = {key: f"++{key}={text(value)}" for key, value in saved.added.items()}
    given = {word: word.partition("=")[0] for word in words}
    adding = [f"++{word}" if key in new else word for word, key in given.items()]
    told = {key.lstrip("+~") for key in given.values()}
    return [*(word for key, word in new.items() if key not in told), *adding]


def _pinned(scenario: DictConfig, words: list[str]) -> list[str]:
    """Keep the tasks of the run: rows a task needs do not follow other shots or query."""
    shots, query = scenario.get("shots"), scenario.get("query")
    if "min_interactions" not in scenario or scenario.min_interactions is not None:
        return []
    changed = any(re.match(r"scenario\.(shots|query)=", word) for word in words)
    if not changed or not isinstance(shots, int) or not isinstance(query, int):
        return []
    return [f"scenario.min_interactions={shots + query}"]
