"""Language models of a few numbers, and folders of them as ``save_pretrained`` writes them."""

from collections.abc import Sequence
from pathlib import Path

from fewrec_cli.core.progress import Reporter
from fewrec_cli.text.language import Language, load
from fewrec_cli.text.scratch import Scratch
from fewrec_cli.text.weights import Family, locate

QUIET = Reporter(quiet=True)
FORM = Scratch(layers=2, width=16, heads=2, vocabulary=400, positions=32)
TEXTS = (
    "Jaws (1975). A shark haunts the coast.",
    "Up (2009). An old man flies his house away, far away, over the sea and the woods.",
    "Heat (1995). A thief.",
    "",
)


def small(family: Family, texts: Sequence[str] = TEXTS, form: Scratch = FORM) -> Language:
    """Return a model of random weights."""
    return load(locate("scratch", family, download=False), texts, form)


def saved(language: Language, folder: Path) -> Path:
    """Write a model and its tokenizer as users have them."""
    language.model.save_pretrained(folder)
    language.tokenizer.save_pretrained(folder)
    return folder
