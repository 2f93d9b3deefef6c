"""The parameters of workflows' `run()`, read from the source of their modules without importing them.

A console must not run authors' code: the text is parsed, decorators `@workflow(name, version, …)` are found
with literal name and version, and `run`'s parameters are taken with their defaults and annotations as they
are written. What is computed at import time cannot be seen this way and is asked for as JSON.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Presence(str, Enum):
    """How a parameter takes its values."""

    REQUIRED = "required"
    OPTIONAL = "optional"  #: has a default
    MANY = "many"  #: *args: a JSON list of further values
    NAMED = "named"  #: **kwargs: a JSON object of further values


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of `run`."""

    name: str
    presence: Presence
    #: As written, such as `int` or `list[str]`; empty when there is none.
    annotation: str = ""
    #: The default as Python source; empty when there is none.
    default: str = ""
    keyword_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a form for one workflow type needs."""

    name: str
    version: str
    parameters: tuple[Parameter, ...]
    #: Docstring of `run`, or else of the class.
    doc: str = ""
    #: Class or function, and line, for the reader.
    where: str = ""


def signatures(source: str, *, file: str) -> tuple[Signature, ...]:
    """The workflows a module's source declares; none when it cannot be parsed."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    return tuple(_signatures(tree, file))


def _signatures(tree: ast.Module, file: str) -> Iterator[Signature]:
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in classes.values():
        for decorator in node.decorator_list:
            kind = _declared(decorator)
            run = _run_of(node, classes)
            if kind is None or run is None:
                continue
            yield Signature(
                name=kind[0],
                version=kind[1],
                parameters=tuple(_parameters(run.args)),
                doc=ast.get_docstring(run) or ast.get_docstring(node) or "",
                where=f"{file}:{run.lineno}",
            )


def _declared(decorator: ast.expr) -> tuple[str, str] | None:
    """Name and version of a `@workflow(…)` decorator whose values are literals."""
    if not isinstance(decorator, ast.Call):
        return None
    function = decorator.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if called != "workflow":
        return None
    given: dict[str, Any] = dict(zip(("name", "version"), map(_literal, decorator.args), strict=False))
    given.update({word.arg: _literal(word.value) for word in decorator.keywords if word.arg})
    if given.get("name") is None or given.get("version") is None:
        return None
    return str(given["name"]), str(given["version"])


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


_Run = ast.FunctionDef | ast.AsyncFunctionDef


def _run_of(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> _Run | None:
    """The `run` of a class or of its bases in the same module."""
    seen: set[str] = set()
    todo = [node]
    while todo:
        here = todo.pop(0)
        if here.name in seen:
            continue
        seen.add(here.name)
        for member in here.body:
            if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)) and member.name == "run":
                return member
        todo += [classes[b.id] for b in here.bases if isinstance(b, ast.Name) and b.id in classes]
    return None


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args][1:]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    for argument, default in zip(positional, defaults, strict=False):
        yield _parameter(argument, default, keyword_only=False)
    if arguments.vararg is not None:
        yield Parameter(
            name=arguments.vararg.arg, presence=Presence.MANY, annotation=_written(arguments.vararg)
        )
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(argument, default, keyword_only=True)
    if arguments.kwarg is not None:
        yield Parameter(
            name=arguments.kwarg.arg, presence=Presence.NAMED, annotation=_written(arguments.kwarg)
        )


def _parameter(argument: ast.arg, default: ast.expr | None, *, keyword_only: bool) -> Parameter:
    return Parameter(
        name=argument.arg,
        presence=Presence.REQUIRED if default is None else Presence.OPTIONAL,
        annotation=_written(argument),
        default="" if default is None else ast.unparse(default),
        keyword_only=keyword_only,
    )


def _written(argument: ast.arg) -> str:
    return "" if argument.annotation is None else ast.unparse(argument.annotation)
