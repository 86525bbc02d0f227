"""Signatures read from source: what a ``_target_`` takes, without importing it.

Importing a backbone means importing torch, which takes seconds; a mistyped key must be told at
once. So modules are located on the import path and parsed with ``ast``.
"""

import ast
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from fewrec_cli.core.errors import ConfigError


@dataclass(frozen=True)
class Parameter:
    """One argument of a constructor or function.

    Attributes:
        name: Its keyword.
        annotation: Its type as written, or None.
        required: Whether it lacks a default.
        module: Where the annotation was written, so that aliases can be looked up.
    """

    name: str
    annotation: ast.expr | None
    required: bool
    module: str


@dataclass(frozen=True)
class Signature:
    """What may and must be given.

    Attributes:
        parameters: By keyword, in order.
        open: Whether any further keyword is taken (``**kwargs``).
    """

    parameters: dict[str, Parameter]
    open: bool


def signature(target: str) -> Signature:
    """Return what ``target`` (dotted path of a class or function) takes.

    Raises:
        ConfigError: There is no such module, or nothing of that name in it.
    """
    module, _, node = definition(target)
    if isinstance(node, ast.ClassDef):
        return _of_class(module, node)
    return _of_function(module, node, bound=False)


def docstring(target: str) -> str:
    """Return the first line of a target's docstring, empty where there is none."""
    _, _, node = definition(target)
    return (ast.get_docstring(node) or "").partition("\n")[0].strip()


Definition = ast.ClassDef | ast.FunctionDef


@lru_cache(maxsize=256)
def definition(target: str) -> tuple[str, str, Definition]:
    """Find a class or function, following re-exports; return its module, name and source.

    Raises:
        ConfigError: There is none.
    """
    module, _, name = target.rpartition(".")
    tree = parsed(module)
    if tree is None:
        raise ConfigError(
            f"_target_ {target}: no module {module or target!r} on the import path",
            "your own files are found with --config-dir FOLDER, beside your yaml folders",
        )
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            return module, name, node
    origin = imported(module, name)
    if origin is not None and origin != target:
        return definition(origin)
    names = [node.name for node in tree.body if isinstance(node, Definition)]
    raise ConfigError(
        f"_target_ {target}: nothing named {name!r} in {module}",
        f"it has: {', '.join(names) or 'no class or function'}",
    )


@lru_cache(maxsize=256)
def parsed(module: str) -> ast.Module | None:
    """Parse a module's source; None where it cannot be found.

    Raises:
        ConfigError: The source is not Python.
    """
    path = _located(module)
    if path is None:
        return None
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as fault:
        raise ConfigError(
            f"{path.name}, line {fault.lineno}: {fault.msg}", f"mend the syntax of {path}"
        ) from fault


@lru_cache(maxsize=1024)
def imported(module: str, name: str) -> str | None:
    """Return the dotted path that ``name`` was imported from in ``module``, or None."""
    tree = parsed(module)
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, ast.ImportFrom):
            continue
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return f"{_source(module, node)}.{alias.name}"
    return None


def _source(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    path = _located(module)
    package = module.split(".")
    up = node.level - (1 if path is not None and path.name == "__init__.py" else 0)
    base = package[: len(package) - up]
    return ".".join([*base, node.module] if node.module else base)


def _located(module: str) -> Path | None:
    """Find a module's file. ``find_spec`` alone would import the parents of a nested one."""
    if not module or not all(part.isidentifier() for part in module.split(".")):
        return None
    first, *rest = module.split(".")
    loaded = sys.modules.get(first)
    spec = loaded.__spec__ if loaded is not None and loaded.__spec__ else find_spec(first)
    name = first
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    origin = spec.origin if spec is not None else None
    return Path(origin) if origin is not None and origin.endswith(".py") else None


def _of_class(module: str, node: ast.ClassDef) -> Signature:
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return _of_function(module, part, bound=True)
    inherited: dict[str, Parameter] = {}
    opened = False
    for base in node.bases:
        origin = _origin(module, base)
        if origin is None:
            continue
        above = signature(origin)
        inherited |= above.parameters
        opened = opened or above.open
    if _is_dataclass(node):
        inherited |= _fields(module, node)
    return Signature(inherited, opened)


def _origin(module: str, base: ast.expr) -> str | None:
    """Dotted path of a base class, None for one that takes nothing or cannot be read."""
    while isinstance(base, ast.Subscript):
        base = base.value
    text = ast.unparse(base)
    if "." not in text:
        here = parsed(module)
        local = here is not None and any(
            isinstance(node, ast.ClassDef) and node.name == text for node in here.body
        )
        text = f"{module}.{text}" if local else imported(module, text) or text
    parent = text.rpartition(".")[0]
    readable = bool(parent) and parsed(parent) is not None
    return text if readable and text not in ("abc.ABC", "typing.Protocol") else None


def _of_function(module: str, node: ast.FunctionDef, *, bound: bool) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args][1 if bound else 0 :]
    optional = len(arguments.defaults)
    found: dict[str, Parameter] = {}
    for position, argument in enumerate(positional):
        required = position < len(positional) - optional
        found[argument.arg] = Parameter(argument.arg, argument.annotation, required, module)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found[argument.arg] = Parameter(argument.arg, argument.annotation, default is None, module)
    words = None if arguments.kwarg is None else _unpacked(module, arguments.kwarg.annotation)
    return Signature(found | (words or {}), arguments.kwarg is not None and words is None)


def _unpacked(module: str, annotation: ast.expr | None) -> dict[str, Parameter] | None:
    """The words of ``**words: Unpack[X]``, where X is a TypedDict; None for any others."""
    if not isinstance(annotation, ast.Subscript) or not ast.unparse(annotation.value).endswith(
        "Unpack"
    ):
        return None
    path = _origin(module, annotation.slice)
    if path is None:
        return None
    source, _, node = definition(path)
    return _fields(source, node) if isinstance(node, ast.ClassDef) else None


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def _fields(module: str, node: ast.ClassDef) -> dict[str, Parameter]:
    return {
        part.target.id: Parameter(part.target.id, part.annotation, part.value is None, module)
        for part in node.body
        if isinstance(part, ast.AnnAssign)
        and isinstance(part.target, ast.Name)
        and "ClassVar" not in ast.unparse(part.annotation)
    }
