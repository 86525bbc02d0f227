"""Words of language models that must fit each other, and what they name; judged without torch."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from fewrec_cli.backbone.start import start_of
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.text.weights import SCRATCH, Family, folder_of, need_extra
from fewrec_cli.text.words import (
    Tuned,
    check_pretrain,
    check_score,
    check_verbalizers,
    prompt_pieces,
)

Fault = tuple[str, str]
Values = Callable[[str], object]

FAMILIES: dict[object, Family] = {
    "fewrec_cli.backbone.bert.bert": "bert",
    "fewrec_cli.backbone.gpt2.gpt2": "gpt2",
}
HYBRID = "fewrec_cli.backbone.hybrid.hybrid"
GENERATE = "fewrec_cli.strategy.generate.Generate"
PROMPT = "fewrec_cli.strategy.prompt.Prompt"
MOVIELENS = "fewrec_cli.data.movielens.MovieLens"
WITHOUT_TEXT = ("fewrec_cli.backbone.mf.MF", "fewrec_cli.backbone.mlp.MLP")
ON_TASKS = (
    "fewrec_cli.strategy.maml.MAML",
    "fewrec_cli.strategy.reptile.Reptile",
    "fewrec_cli.strategy.combined.Combined",
    "fewrec_cli.strategy.meta_ridge.MetaRidge",
)


def language_faults(value_of: Values) -> Iterator[Fault]:
    """Yield what is wrong and what to do; see ``rules.broken_rules``."""
    yield from _strategies(value_of)
    text = value_of("data.text")
    named = value_of("data._target_") == MOVIELENS and isinstance(text, str) and text != "auto"
    if named and not Path(str(text)).expanduser().exists():
        yield f"data.text: no file {text}", "check the path: data.text=FILE, or data.text=auto"
    target = value_of("backbone._target_")
    hybrid = value_of("backbone.family")
    family = FAMILIES.get(target)
    if target == HYBRID and hybrid in FAMILIES.values():
        family = "gpt2" if hybrid == "gpt2" else "bert"
    if family is not None:
        for judged in _judged(value_of, family):
            try:
                judged()
            except ConfigError as fault:
                yield fault.problem, fault.remedy


def _judged(value_of: Values, family: Family) -> Iterator[Callable[[], object]]:
    """Yield what is to be judged of a language backbone: wrong types are told of elsewhere."""
    tuned, score, pretrain = (value_of(f"backbone.{one}") for one in ("tuned", "score", "pretrain"))
    if isinstance(tuned, str) and isinstance(score, str):
        yield partial(check_score, score, tuned)
        yield partial(_check_adalora, tuned, value_of("strategy._target_"))
    prompt, verbalizers = value_of("backbone.prompt"), value_of("backbone.verbalizers")
    if score == "prompt" and isinstance(prompt, str):
        yield partial(prompt_pieces, prompt, family)
    if score == "prompt" and isinstance(verbalizers, list):
        yield partial(check_verbalizers, verbalizers)
    if isinstance(pretrain, str):
        yield partial(check_pretrain, pretrain, family, f"backbone={family}")
    weights, download = value_of("backbone.weights"), value_of("backbone.download")
    if isinstance(weights, str):
        yield partial(_check_weights, weights, family, download=download is True)
        if score in (None, "encoder") and isinstance(pretrain, str):
            yield partial(_check_start, weights, pretrain)


def _check_adalora(tuned: str, strategy: object) -> None:
    """Refuse AdaLoRA in episodes; strategies that are not named here are asked when they begin.

    Raises:
        ConfigError: As said.
    """
    if strategy in ON_TASKS:
        Tuned.parse(tuned).fed_with("tasks")


def _check_weights(weights: str, family: Family, *, download: bool) -> None:
    """Refuse weights that are not there; what may be fetched is looked for later.

    Raises:
        ConfigError: As said.
    """
    need_extra()
    word = start_of(weights).language
    if word != SCRATCH and not download:
        folder_of(word, family, download=False)


def _check_start(weights: str, pretrain: str) -> None:
    """Refuse a run whose tables were learned over vectors of a language model of another training.

    A run that reads pairs (``score=cross|prompt``) brings its language model's weights.

    Raises:
        ConfigError: As said.
    """
    start = start_of(weights)
    if start.run is not None and start.pretrain != pretrain:
        raise ConfigError(
            f"backbone.weights={weights} learned from texts as backbone.pretrain={start.pretrain} "
            f"reads them, and this run has backbone.pretrain={pretrain}",
            f"write backbone.pretrain={start.pretrain} here, too, or name another run",
        )


def _strategies(value_of: Values) -> Iterator[Fault]:
    """Yield what a strategy of texts lacks in its backbone."""
    learns, score = value_of("strategy._target_"), value_of("backbone.score")
    if learns == GENERATE and (
        value_of("backbone._target_") in WITHOUT_TEXT or score in ("cross", "prompt")
    ):
        yield (
            "strategy=generate compares profiles with the items' texts, and this backbone does not "
            "encode them",
            "take backbone=bert, gpt2 or hybrid, with backbone.score=encoder",
        )
    if learns == PROMPT and score not in ("cross", "prompt"):
        yield (
            "strategy=prompt puts the support into words, and this backbone does not read users "
            "and items together",
            "take backbone=bert or gpt2 with backbone.score=cross or prompt",
        )
