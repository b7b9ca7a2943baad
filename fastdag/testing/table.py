"""What a failure matrix found, as data, and as the tables that people read and continuous integration compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

__all__ = ["Matrix", "Row"]

_COLUMNS = ("node", "fault", "status", "headers", "body")
_WIDEST = 60  # characters of a cell, where it is for looking at


@dataclass(frozen=True, slots=True)
class Row:
    """One answer: what failed and how (`""` and `"none"`: nothing), and what the client got.

    `headers` are those that tell of failures, by lower-case name; `body` is data where it was JSON, else text.
    """

    node: str
    fault: str
    status: int
    headers: Mapping[str, str]
    body: Any

    def cells(self) -> tuple[str, ...]:
        headers = "; ".join(f"{name}: {value}" for name, value in self.headers.items())
        body = self.body if isinstance(self.body, str) else msgspec.json.encode(self.body).decode()
        return (self.node or "(all well)", self.fault, str(self.status), headers, body)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The rows of a failure matrix; `str()` of it is a table for the terminal."""

    rows: tuple[Row, ...]

    def row(self, node: str, fault: str) -> Row:
        """The answer when this node met this fault; `row("", "none")` is that when nothing failed."""
        for found in self.rows:
            if (found.node, found.fault) == (node, fault):
                return found
        known = ", ".join(f"({row.node!r}, {row.fault!r})" for row in self.rows)
        raise LookupError(f"no row is ({node!r}, {fault!r}); there are {known}")

    def data(self) -> list[dict[str, Any]]:
        """The rows as dicts, for a program to look at."""
        return [asdict(row) for row in self.rows]

    def markdown(self) -> str:
        """A Markdown table with everything in it, to keep under version control."""
        lines = [_COLUMNS, ("---",) * len(_COLUMNS), *(_marked(row.cells()) for row in self.rows)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def __str__(self) -> str:
        lines = [_COLUMNS, *(tuple(map(_short, row.cells())) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(_aligned(line, widths) for line in lines)


def _marked(cells: Sequence[str]) -> tuple[str, ...]:
    node, fault, status, headers, body = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return (node, fault, status, headers, f"`{body}`")


def _short(cell: str) -> str:
    cell = cell.replace("\n", " ")
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…"


def _aligned(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
