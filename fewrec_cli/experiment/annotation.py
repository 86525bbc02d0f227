"""Does a value fit a type as written in source? Says what was wanted when it does not."""

import ast
from collections.abc import Callable, Mapping, Sequence

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.experiment.signature import Definition, definition, imported, parsed

WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "None": "null",
    "Path": "a path",
}
MANY = {"a whole number": "whole numbers", "a number": "numbers", "text": "texts"}
CHECKS: dict[str, Callable[[object], bool]] = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "Path": lambda value: isinstance(value, str),
    "None": lambda value: value is None,
}
ANYTHING = ("Any", "object")
LISTS = ("list", "List", "Sequence", "Iterable", "Collection", "ListConfig")
TUPLES = ("tuple", "Tuple")
MAPPINGS = ("dict", "Dict", "Mapping", "MutableMapping", "DictConfig")
CALLABLES = ("Callable",)
ALIAS_DEPTH = 8


def fits(value: object, annotation: ast.expr | None, module: str) -> bool:
    """Whether a plain config value can be given where ``annotation`` stands.

    A type that cannot be judged from its source (a class of the user's, a type variable) takes
    anything: the constructor will judge.
    """
    return _fits(value, annotation, module, 0)


def wanted(annotation: ast.expr | None, module: str) -> str:
    """Say in plain words what ``annotation`` takes."""
    return _wanted(annotation, module, 0)


def choices(annotation: ast.expr | None, module: str) -> tuple[str, ...]:
    """Return the values that ``annotation`` names, as they are typed; none where it names none.

    Of ``Literal["a", "b"] | None`` these are ``a``, ``b`` and ``null``; of ``int | Literal["all"]``
    only ``all``; ``float | None`` has none.
    """
    return tuple(dict.fromkeys(_choices(annotation, module, 0)))


def _choices(node: ast.expr | None, module: str, depth: int) -> list[str]:
    node, module = _unfolded(node, module, depth)
    if node is None:
        return []
    members = _members(node)
    if members:
        found = [one for member in members for one in _choices(member, module, depth + 1)]
        absent = ["null"] if any(_head(member)[0] == "None" for member in members) else []
        return [*found, *absent] if found else []
    head, _ = _head(node)
    if head == "bool":
        return ["true", "false"]
    return [str(one) for one in _literals(node)] if head == "Literal" else []


def _fits(value: object, node: ast.expr | None, module: str, depth: int) -> bool:
    node, module = _unfolded(node, module, depth)
    if node is None:
        return True
    members = _members(node)
    if members:
        return any(_fits(value, member, module, depth + 1) for member in members)
    head, inner = _head(node)
    if head in CHECKS:
        return CHECKS[head](value)
    if head == "Literal":
        return any(value == choice and type(value) is type(choice) for choice in _literals(node))
    if head in LISTS or head in TUPLES:
        return _fits_list(value, head, inner, module, depth)
    if head in MAPPINGS or head in CALLABLES:  # a callable is a section with _partial_
        return isinstance(value, Mapping)
    return not _is_class(head, module) or isinstance(value, Mapping) or _is_enum(head, module)


def _fits_list(
    value: object, head: str, inner: Sequence[ast.expr], module: str, depth: int
) -> bool:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    if not inner:
        return True
    if head in TUPLES and not _is_ellipsis(inner[-1]):
        return len(value) == len(inner) and all(
            _fits(one, part, module, depth + 1) for one, part in zip(value, inner, strict=True)
        )
    return all(_fits(one, inner[0], module, depth + 1) for one in value)


def _wanted(node: ast.expr | None, module: str, depth: int) -> str:
    node, module = _unfolded(node, module, depth)
    if node is None:
        return "anything"
    members = _members(node)
    if members:
        return " or ".join(_wanted(member, module, depth + 1) for member in members)
    head, inner = _head(node)
    if head in WANTED:
        return WANTED[head]
    if head == "Literal":
        choices = ", ".join(str(choice) for choice in _literals(node))
        return f"one of {choices}" if "," in choices else choices
    if head in TUPLES and inner and not _is_ellipsis(inner[-1]):
        return f"[{', '.join(_wanted(part, module, depth + 1) for part in inner)}]"
    if head in LISTS or head in TUPLES:
        one = _wanted(inner[0], module, depth + 1) if inner else ""
        if one in MANY:
            return f"a list of {MANY[one]}"
        return f"a list, each {one}" if inner else "a list"
    return "keys with values" if head in MAPPINGS else f"a section with a _target_ ({head})"


def _unfolded(node: ast.expr | None, module: str, depth: int) -> tuple[ast.expr | None, str]:
    """Read text annotations and follow aliases; None stands for a type that takes anything."""
    if depth > ALIAS_DEPTH:
        return None, module
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    if isinstance(node, ast.Name):
        if node.id in ANYTHING:
            return None, module
        if node.id not in CHECKS:
            alias = _alias(node.id, module)
            if alias is not None:
                return _unfolded(*alias, depth + 1)
    return node, module


def _alias(name: str, module: str) -> tuple[ast.expr, str] | None:
    """What ``name = ...`` at the top of a module stands for, wherever it was imported from."""
    tree = parsed(module)
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value, module
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name and node.value:
            return node.value, module
    origin = imported(module, name)
    if origin is None or origin.startswith(("typing.", "collections.")):
        return None
    source, _, original = origin.rpartition(".")
    return _alias(original, source) if source != module else None


def _members(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*(_members(node.left) or [node.left]), *(_members(node.right) or [node.right])]
    head, inner = _head(node)
    if head == "Optional":
        return [*inner, ast.Constant(None)]
    return list(inner) if head == "Union" else []


def _head(node: ast.expr) -> tuple[str, Sequence[ast.expr]]:
    """Split ``list[int]`` into its name and what stands in brackets."""
    if isinstance(node, ast.Constant) and node.value is None:
        return "None", ()
    if not isinstance(node, ast.Subscript):
        return ast.unparse(node).rpartition(".")[2], ()
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return ast.unparse(node.value).rpartition(".")[2], inner


def _literals(node: ast.expr) -> list[object]:
    _, inner = _head(node)
    return [ast.literal_eval(part) for part in inner]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _class_path(head: str, module: str) -> str | None:
    tree = parsed(module)
    local = tree is not None and any(
        isinstance(node, ast.ClassDef) and node.name == head for node in tree.body
    )
    return f"{module}.{head}" if local else imported(module, head)


def _is_class(head: str, module: str) -> bool:
    path = _class_path(head, module)
    return isinstance(_definition(path), ast.ClassDef)


def _is_enum(head: str, module: str) -> bool:
    node = _definition(_class_path(head, module))
    return isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(b) for b in node.bases)


def _definition(path: str | None) -> Definition | None:
    """Return the source of what an annotation names, or None where it cannot be found."""
    if path is None or parsed(path.rpartition(".")[0]) is None:
        return None
    try:
        return definition(path)[2]
    except ConfigError:  # a name made at run time: the constructor will judge
        return None
