"""All jobs of a line composed and checked, and Hydra's refusals in our words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fewrec_cli.cli.catalogue import CONFIGS, Catalogue, catalogue
from fewrec_cli.cli.diagnose import Diagnosis
from fewrec_cli.cli.sweep import first_values, jobs_of
from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import Faults, FewrecError
from fewrec_cli.experiment.check import check

MANY = 64


def check_line(line: Line) -> int:
    """Compose and check every job of a line, without running any.

    Returns:
        The number of jobs.

    Raises:
        Faults: Everything that is wrong with the line.
    """
    library = catalogue(line.config_dir)
    with composing(line):
        first = _first(line, library)
        if not line.runs:
            return 1
        jobs = jobs_of(line, first)
        faults: dict[str, FewrecError] = {}
        for words in jobs.to_check(MANY):
            cfg = first if not jobs.sweeps else _composed(line, words, library)
            for fault in _faults_of(cfg, words, library):
                faults.setdefault(str(fault), fault)
    if faults:
        raise Faults(list(faults.values()))
    return jobs.count


@contextmanager
def composing(line: Line) -> Iterator[None]:
    """Make ``compose`` find our configs."""
    with initialize_config_module(CONFIGS, job_name=line.command, version_base="1.3"):
        yield


def compose_words(line: Line, words: Sequence[str]) -> DictConfig:
    """Compose a line with other words, the ``hydra`` node included."""
    name = line.value("--config-name") or line.command
    return compose(name, [*words, *search_path(line)], return_hydra_config=True)


def search_path(line: Line) -> list[str]:
    """The word that makes Hydra look into the user's config folder."""
    if line.config_dir is None or any(w.startswith("hydra.searchpath=") for w in line.words):
        return []
    return [f"hydra.searchpath=[{quoted(f'file://{line.config_dir}')}]"]


def quoted(text: str) -> str:
    """Put a value in the quotes of Hydra's grammar."""
    return "'" + text.replace("'", "\\'") + "'"


def _composed(line: Line, words: Sequence[str], library: Catalogue) -> DictConfig:
    try:
        return compose_words(line, words)
    except (HydraException, OmegaConfBaseException) as refusal:
        raise Diagnosis(line, words, library, compose_words).told(refusal) from refusal


def _first(line: Line, library: Catalogue) -> DictConfig:
    """Compose the line, of each swept word the first value."""
    try:
        words = first_values(line.words) if line.has("--multirun") else list(line.words)
        return compose_words(line, words)
    except (HydraException, OmegaConfBaseException) as refusal:
        raise Diagnosis(line, line.words, library, compose_words).told(refusal) from refusal


def _faults_of(cfg: DictConfig, words: Sequence[str], library: Catalogue) -> list[FewrecError]:
    """Check one composed config."""
    job = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])
    adapter = str(cfg.hydra.runtime.choices.get("strategy/adapter", ""))

    def texts(group: str) -> Mapping[str, str]:
        paths = library.options(group)
        return {name: path.read_text(encoding="utf-8") for name, path in paths.items()}

    try:
        check(job, words, adapter, texts)
    except Faults as found:
        return found.faults
    return []
