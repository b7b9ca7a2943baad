"""The terminal: what every command writes with. JSON is written as it is, for programs to read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["ASIDE", "Row", "seconds", "show", "show_json", "table"]

Row = Sequence[str | Text]

#: Where there is no terminal, lines are for grep: nothing is wrapped or cut.
_WIDE = 400

#: Beside the answer itself, which a pipe may want for itself.
ASIDE = "stderr"


def show(*lines: RenderableType, to: str = "stdout") -> None:
    """Write to the terminal, with colours if it is one."""
    stream: TextIO = getattr(sys, to)
    console = Console(file=stream, width=None if stream.isatty() else _WIDE, highlight=False)
    for line in lines:
        console.print(Text(line) if isinstance(line, str) else line)


def show_json(value: Any) -> None:
    """Write data; dataclasses are their fields."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return getattr(value, "__name__", None) or str(value)


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
