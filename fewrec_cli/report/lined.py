"""JSON that people and version control can read: a line for each entry of a list."""

import json
from collections.abc import Mapping


def lined(content: Mapping[str, object]) -> str:
    """Return an object as JSON; each object of its lists, e.g. a table's row, fills one line.

    Raises:
        ValueError: A number is not finite.

    Example:
        >>> print(lined({"title": "t", "rows": [{"row": "a"}, {"row": "b"}]}), end="")
        {
        "title": "t",
        "rows": [
        {"row": "a"},
        {"row": "b"}
        ]
        }
    """
    parts = (f"{_text(key)}: {_value(value)}" for key, value in content.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _value(value: object) -> str:
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return "[\n" + ",\n".join(map(_text, value)) + "\n]"
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
