"""The command line in this process, in a directory of its own, with apps that a test writes down."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fastdag.cli.commands import commands

ROOT = Path(__file__).parents[2]

#: An upstream whose answers are made up; its path says what to answer, its query is ignored.
PRELUDE = """
from fastdag import App, Cache, Graph, Node, Retry, Upstream
from fastdag.upstream.call import Headers, Response

ANSWERS = {"/products/42": b'{"id": 42, "seller": 7}', "/sellers/7": b'{"name": "Ada"}'}
asked = []


class Canned:
    def send(self, call):
        asked.append(call.target)
        body = ANSWERS.get(call.target.partition("?")[0])
        return Response(404 if body is None else 200, Headers([("Content-Type", "application/json")]), body or b"null")

    def close(self):
        asked.append("closed")


def upstream(name, **options):
    return Upstream(name, f"http://{name}", transport=Canned(), **options)


app = App()
"""

Fastdag = Callable[..., Result]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory that a test works in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("FASTDAG_APP", raising=False)
    yield tmp_path
    forget(tmp_path)


def forget(place: Path) -> None:
    """A command begins in a process of its own: what the one before has imported is not there."""
    for name, module in list(sys.modules.items()):
        if str(place) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def write(place: Path) -> Callable[..., Path]:
    """Writes a module that has an `app`; the text is what comes after the prelude."""

    def write_module(text: str, name: str = "shop", prelude: str = PRELUDE) -> Path:
        file = place / f"{name}.py"
        file.write_text(prelude + dedent(text))
        return file

    return write_module


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For commands in processes of their own: they find fastdag, and nothing else of this project."""
    library = tmp_path_factory.mktemp("library")
    for name in ("fastdag", "pytest_fastdag.py"):
        (library / name).symlink_to(ROOT / name)
    return os.environ | {"PYTHONPATH": str(library), "PYTEST_PLUGINS": "pytest_fastdag"}


@pytest.fixture
def fastdag(place: Path) -> Fastdag:
    """Runs a command; the app is `shop:app` unless the arguments say otherwise."""

    def run(*arguments: str, app: str | None = "shop") -> Result:
        forget(place)
        result = CliRunner().invoke(commands, [*arguments, *(["--app", app] if app else [])])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return run


@pytest.fixture
def data(fastdag: Fastdag) -> Callable[..., Any]:
    """What a command says as JSON, whatever its exit code."""
    return lambda *arguments, **more: json.loads(fastdag(*arguments, "--json", **more).stdout)
