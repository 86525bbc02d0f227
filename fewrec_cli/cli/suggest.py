"""The nearest name among those that exist."""

import difflib
from collections.abc import Iterable

CLOSE_ENOUGH = 0.6


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name most like ``word``, or None when none is like it.

    Example:
        >>> nearest("mamll", ["maml", "reptile"])
        'maml'
        >>> nearest("xyz", ["maml", "reptile"]) is None
        True
    """
    by_lower = {name.lower().lstrip("-"): name for name in names}  # dashes say nothing
    typed = word.lower().lstrip("-")
    found = difflib.get_close_matches(typed, by_lower, n=1, cutoff=CLOSE_ENOUGH)
    return by_lower[found[0]] if found else None


def ask(word: str, names: Iterable[str], otherwise: str) -> str:
    """Return ``did you mean ...?`` with what else there is to know, or only the latter.

    Example:
        >>> ask("trian", ["train", "list"], "see fewrec --help")
        "did you mean 'train'?   (see fewrec --help)"
    """
    name = nearest(word, names)
    return otherwise if name is None else f"did you mean {name!r}?   ({otherwise})"
