"""The terminal: what every command writes with. JSON is written as it is, for programs to read.

While a command is at work, `sys.stdout` is where people look and no program does: what an app prints when it is
imported or asked, and what it logs there, must not get into what the command says.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["ASIDE", "Row", "seconds", "show", "show_json", "show_raw", "speaking", "table", "width"]

Row = Sequence[str | Text]

#: Nothing is wrapped or cut here: what is too long for a terminal is broken by it, and is whole in a pipe.
_WIDE = 1000

#: Beside the answer itself, which a pipe may want for itself.
ASIDE = "stderr"


_said: ContextVar[TextIO] = ContextVar("fastdag.cli.said")


@contextmanager
def speaking() -> Iterator[None]:
    """Keep standard output for what is shown; prints go beside it. What a stream cannot encode is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    before = _said.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _said.reset(before)


def _stream(to: str) -> TextIO:
    return sys.stderr if to == ASIDE else _said.get(sys.stdout)


def show(*lines: RenderableType, to: str = "stdout") -> None:
    """Write to the terminal, with colours if it is one."""
    console = Console(file=_stream(to), width=_WIDE, highlight=False)
    for line in lines:
        console.print(Text(line) if isinstance(line, str) else line, soft_wrap=isinstance(line, (str, Text)))


def show_raw(text: str) -> None:
    """Write a text as it is, for programs as well as for people."""
    print(text, file=_stream("stdout"), flush=True)  # what follows on stderr comes after it


def show_json(value: Any) -> None:
    """Write data; dataclasses and named tuples are their fields."""
    plain = _plain(value)
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    try:
        text.encode(_stream("stdout").encoding or "utf-8")
    except UnicodeEncodeError:  # JSON has escapes of its own, which whoever reads it takes back
        text = json.dumps(plain, indent=2)
    show_raw(text)


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return getattr(value, "__name__", None) or str(value)


def width(to: str = "stdout") -> int:
    """How many columns the terminal has; a good many, where there is none."""
    stream = _stream(to)
    return Console(file=stream).width if stream.isatty() else 120


def table(columns: Iterable[str], rows: Iterable[Row], *, indent: int = 0) -> RenderableType:
    """Columns under their names; a column in which nothing stands is left out."""
    names, lines = list(columns), [list(row) for row in rows]
    used = [place for place in range(len(names)) if any(str(line[place]) for line in lines)]
    found = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for place in used:
        found.add_column(names[place], overflow="fold")
    for line in lines:
        found.add_row(*(_cell(line[place]) for place in used))
    return Padding(found, (0, 0, 0, indent), expand=False)


def _cell(value: str | Text) -> Text:
    return value if isinstance(value, Text) else Text(value)


def seconds(value: float | None) -> str:
    """A time limit; nothing, if there is none."""
    return "" if value is None else f"{value:g} s"
