"""All jobs of a line composed and checked, and Hydra's refusals in our words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from hydra import compose, initialize_config_dir, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from yaml import MarkedYAMLError

from fewrec_cli.cli.catalogue import CONFIGS, Catalogue, catalogue
from fewrec_cli.cli.diagnose import REFUSALS, Diagnosis, in_short, quoted
from fewrec_cli.cli.importing import add_import_path
from fewrec_cli.cli.place import homeless, placed, places
from fewrec_cli.cli.resolve import register_resolvers
from fewrec_cli.cli.suggest import ask
from fewrec_cli.cli.sweep import first_values, jobs_of, several_values
from fewrec_cli.cli.widen import may_add, widened
from fewrec_cli.cli.words import Line
from fewrec_cli.core.errors import ConfigError, Faults, FewrecError
from fewrec_cli.experiment.check import check

MANY = 64


def check_line(line: Line) -> tuple[Line, int]:
    """Compose and check every job of a line, without running any.

    Returns:
        The line as Hydra takes it, and the number of jobs.

    Raises:
        Faults: Everything that is wrong with the line.
    """
    add_import_path(line.config_dir)
    register_resolvers()
    library = catalogue(line.config_dir)
    line = replace(line, words=placed(line.words, library))
    with composing(line):
        whole = _or_none(line, line.words, library) if may_add(line) else None
        if whole is None:
            line = widened(line, library.groups(), lambda words: _or_none(line, words, library))
        first = _composed(line, line.words, library, whole)
        if not line.runs:
            _part_exists(line, first)
            return line, 1
        jobs = jobs_of(line, first, library)
        faults: dict[str, FewrecError] = {
            str(fault): fault
            for fault in (*several_values(line, sweeps=jobs.sweeps), *_dots(line, library))
        }
        told = {_subject(fault) for fault in faults.values()}
        for words in jobs.to_check(MANY):
            cfg = first if not jobs.sweeps else _composed(line, words, library)
            for fault in faults_of(cfg, words, library):
                if _subject(fault) not in told:
                    faults.setdefault(str(fault), fault)
    if faults:
        raise Faults(list(faults.values()))
    return line, jobs.count


def _or_none(line: Line, words: Sequence[str], library: Catalogue) -> DictConfig | None:
    try:
        return compose_words(line, first_values(words, library))
    except REFUSALS:
        return None


def _part_exists(line: Line, cfg: DictConfig) -> None:
    """Whether the part that ``--package`` names is there to be shown."""
    part = line.value("--package")
    parts = (*(str(key) for key in cfg), "_global_")
    if part is None or part in parts or OmegaConf.select(cfg, part) is not None:
        return
    raise ConfigError(
        f"--package {part}: the config has no such part",
        ask(part, parts, f"one of: {', '.join(parts)}"),
    )


def _dots(line: Line, library: Catalogue) -> Iterator[FewrecError]:
    """A group inside a group, written with a dot."""
    for word in line.words:
        key, _, value = word.partition("=")
        group = key.replace(".", "/")
        parent, _, place = group.rpartition("/")
        nested = place in places(parent, library) and value in library.options(parent)
        if "." in key and (nested or value in library.options(group)):
            yield ConfigError(f"{key} is a group", f"did you mean {group}={value}?")


def _subject(fault: FewrecError) -> str:
    return fault.problem.partition(" ")[0]


def composed_and_checked(line: Line) -> DictConfig:
    """Compose a single job for a command that needs no run folder.

    Raises:
        FewrecError: What is wrong with the line.
    """
    line, _ = check_line(line)
    with composing(line):
        cfg = compose_words(line, line.words)
    return without_hydra(cfg)


def composed_or_none(line: Line) -> DictConfig | None:
    """Compose the first job of a line, or None where something is wrong with it."""
    add_import_path(line.config_dir)
    register_resolvers()
    library = catalogue(line.config_dir)
    try:
        with composing(line):
            return _or_none(line, placed(line.words, library), library)
    except FewrecError:
        return None


def without_hydra(cfg: DictConfig) -> DictConfig:
    """The part of a config that the job reads."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


@contextmanager
def composing(line: Line) -> Iterator[None]:
    """Make ``compose`` find our configs, and a root config of the user's own.

    Raises:
        ConfigError: There is no root config of that name.
    """
    name = _root_name(line)
    ours, *mine = catalogue(line.config_dir).roots
    if (ours / f"{name}.yaml").is_file():
        opened: AbstractContextManager[None] = initialize_config_module(
            CONFIGS, job_name=line.command, version_base="1.3"
        )
    elif mine and (mine[0] / f"{name}.yaml").is_file():  # Hydra looks for it in one place only
        opened = initialize_config_dir(str(mine[0]), job_name=line.command, version_base="1.3")
    else:
        names = [path.stem for root in (ours, *mine) for path in root.glob("*.yaml")]
        raise ConfigError(
            f"--config-name {name}: no such root config",
            ask(name, names, f"one of: {', '.join(names)}"),
        )
    with opened:
        yield


def compose_words(line: Line, words: Sequence[str]) -> DictConfig:
    """Compose a line with other words, the ``hydra`` node included.

    Raises:
        ConfigError: A yaml of the user's cannot be read.
    """
    try:
        return compose(_root_name(line), [*words, *search_path(line)], return_hydra_config=True)
    except MarkedYAMLError as fault:
        mark = fault.problem_mark
        where = "" if mark is None else f"{mark.name}, line {mark.line + 1}: "
        raise ConfigError(
            f"{where}this is no YAML: {fault.problem or fault.context}", "mend that line"
        ) from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(f"a yaml file is not UTF-8: {fault}", "save it as UTF-8") from fault


def search_path(line: Line) -> list[str]:
    """The word that makes Hydra look into the user's config folder as well as into ours."""
    if line.config_dir is None or any(w.startswith("hydra.searchpath=") for w in line.words):
        return []
    return [
        f"hydra.searchpath=[{quoted(f'file://{line.config_dir}')},{quoted(f'pkg://{CONFIGS}')}]"
    ]


def _root_name(line: Line) -> str:
    name = line.value("--config-name") or line.command
    return name.removesuffix(".yaml")


def _composed(
    line: Line, words: Sequence[str], library: Catalogue, whole: DictConfig | None = None
) -> DictConfig:
    """Compose; of each swept word the first value.

    Args:
        line: The line.
        words: Its words, or one job's.
        library: What can be chosen.
        whole: The same composed before, as composing is most of what the door costs.

    Raises:
        FewrecError: All faults of a refused line: those Hydra stumbles over, then those of what
            is left of it.
    """
    diagnosis = Diagnosis(line, words, library, compose_words)
    refusal: Exception | None = None
    if not diagnosis.faults:
        try:
            return whole or compose_words(line, first_values(words, library))
        except REFUSALS as told:
            refusal = told
    diagnosis.judge_keys()
    if not diagnosis.faults and refusal is not None:
        raise _without_a_place(line, words, library) or in_short(refusal) from refusal
    more = [] if diagnosis.cfg is None else faults_of(diagnosis.cfg, words, library)
    raise Faults([*diagnosis.faults, *more]) from refusal


def _without_a_place(line: Line, words: Sequence[str], library: Catalogue) -> ConfigError | None:
    """What is wrong with an option within an option that has no place for it, if so."""
    groups = library.groups()
    cfg = _or_none(line, [word for word in words if word.partition("=")[0] in groups], library)
    return None if cfg is None else homeless(words, cfg.hydra.runtime.choices, library)


def faults_of(cfg: DictConfig, words: Sequence[str], library: Catalogue) -> list[FewrecError]:
    """Check one config as it was composed from these words."""
    job = without_hydra(cfg)
    adapter = str(cfg.hydra.runtime.choices.get("strategy/adapter", ""))

    def texts(group: str) -> Mapping[str, str]:
        paths = library.options(group)
        return {name: path.read_text(encoding="utf-8") for name, path in paths.items()}

    try:
        check(job, words, adapter, texts)
    except Faults as found:
        return found.faults
    return []
