"""Finding the app that a command is about, and importing it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fastdag.cli.trouble import Broken, Trouble
from fastdag.errors import GraphError, told
from fastdag.graph import Graph
from fastdag.web.app import App

__all__ = ["PLACES", "Loaded", "Refused", "load", "place"]

#: Where an app is looked for, if nobody says where it is; and the file, in the directory where one stands.
PLACES = {"app.main:app": "app/main.py", "app:app": "app.py", "main:app": "main.py"}

_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")

_NAME_IT = "name it with --app module:attribute, or in the environment variable FASTDAG_APP"


@dataclass(frozen=True, slots=True)
class Refused:
    """A route that the app does not have, because its graph is broken."""

    path: str
    methods: tuple[str, ...]
    graph: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An app, where it was found, and the routes that it could not get."""

    place: str
    app: App
    refused: tuple[Refused, ...] = ()


def load(given: str | None, *, lenient: bool = False) -> Loaded:
    """Import the app. If `lenient`, broken graphs are set aside, so that all of them can be told at once."""
    found = place(given)
    refused: list[Refused] = []
    with _setting_aside(refused, lenient):
        value = _get(*found.split(":"))
    if not isinstance(value, App):
        raise Trouble(
            f"{found} is no fastdag.App but of type {type(value).__name__}",
            "name the App itself with --app module:attribute, not what wraps or makes it",
        )
    return Loaded(found, value, tuple(refused))


def place(given: str | None) -> str:
    """Where the app is, as `module:attribute`: as somebody says, or the first of `PLACES` that there is."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if given is None:
        for known, file in PLACES.items():
            if os.path.exists(file):
                return known
        raise Trouble(f"there is no app here: neither {' nor '.join(PLACES)}", f"go to the project, or {_NAME_IT}")
    module, _, attribute = given.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), attribute or "app"]):
        raise Trouble(f"{given!r} names no app", "write it like app.main:app, module:attribute")
    return f"{module}:{attribute or 'app'}"


def _get(module: str, attribute: str) -> Any:
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise _broken(module, error) from error
        raise Trouble(f"there is no module {module!r} here", f"go to the project, or {_NAME_IT}") from error
    except (Exception, SystemExit) as error:
        raise _broken(module, error) from error
    if not hasattr(found, attribute):
        apps = [name for name, value in vars(found).items() if isinstance(value, App)]
        raise Trouble(f"{module} has no {attribute!r}", f"its apps: {', '.join(apps)}" if apps else _NAME_IT)
    return getattr(found, attribute)


def _broken(module: str, error: BaseException) -> Broken:
    """Where in the user's files the import ended, and with what."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    where = f"{os.path.relpath(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{os.path.relpath(error.filename)}:{error.lineno}: "
    said = error.msg if isinstance(error, SyntaxError) else told(error)
    what = f"{module} cannot be imported: {where}{type(error).__name__}: {said}"
    if isinstance(error, GraphError):
        return Broken(what, "mend the graph; fastdag check lists what is wrong with all of them")
    return Broken(what, f"mend it there; python -c 'import {module}' shows how it came to that")


def _is_users(filename: str) -> bool:
    below = os.getcwd() + os.sep
    return filename.startswith(below) and not filename.startswith(_OURS) and "site-packages" not in filename


@contextmanager
def _setting_aside(refused: list[Refused], lenient: bool) -> Iterator[None]:
    """`add_graph` raises at the first broken graph, which is right for a server and hides the others from a check."""
    strict = App.add_graph

    def add_graph(app: App, path: str, graph: Graph, methods: Iterable[str] = ("GET",), **options: Any) -> None:
        try:
            strict(app, path, graph, methods, **options)
        except GraphError as error:
            refused.append(Refused(path, tuple(methods), graph.id, error.problems))

    if lenient:
        setattr(App, "add_graph", add_graph)  # noqa: B010 - a type checker does not let a method be assigned
    try:
        yield
    finally:
        setattr(App, "add_graph", strict)  # noqa: B010
