"""The words that a constructor takes, those of ``**words: Unpack[TypedDict]`` one by one."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Unpack, get_args, get_origin, get_type_hints


def words_of(made: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return what a class or function takes, in order, without ``self``."""
    found: dict[str, inspect.Parameter] = {}
    for name, one in inspect.signature(made).parameters.items():
        if one.kind is inspect.Parameter.VAR_KEYWORD and get_origin(one.annotation) is Unpack:
            (words,) = get_args(one.annotation)
            found |= {
                key: inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
                for key, kind in get_type_hints(words).items()
            }
        elif name != "self":
            found[name] = one
    return found
