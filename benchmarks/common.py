"""What every benchmark here needs: cores, child processes, load, interleaved rounds, and a table with its bars.

A figure is the median over rounds, and the contestants take turns within each round: a machine that is busy, warm or
throttled for a while then hurts all of them alike. Every process is pinned to one core (`taskset`), and where the
kernel can do it (`setpriv --pdeathsig`) it ends with the benchmark even if that is killed.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from benchmarks.processes import (
    CACHE,
    PAGE,
    ROOT,
    Child,
    Children,
    Cores,
    Load,
    ended_children,
    free_port,
    pin,
    unlimited_files,
    wrk,
)

__all__ = [
    "CACHE",
    "PAGE",
    "ROOT",
    "Bar",
    "Child",
    "Children",
    "Cores",
    "Load",
    "at_least",
    "at_most",
    "collected",
    "ended_children",
    "free_port",
    "interleaved",
    "median",
    "per_call",
    "pin",
    "print_bars",
    "print_table",
    "unlimited_files",
    "wrk",
]

T = TypeVar("T")


# Measuring


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


@contextmanager
def collected() -> Iterator[None]:
    """A block that starts with the garbage collected and is not interrupted by collecting."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def per_call(function: Callable[[], object], *, calls: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that one of `calls` calls takes; with `clock=time.process_time`, seconds of CPU."""
    with collected():
        start = clock()
        for _ in range(calls):
            function()
        return (clock() - start) / calls


def interleaved(contestants: Mapping[str, Callable[[], T]], *, rounds: int) -> dict[str, list[T]]:
    """Measure each contestant once a round, for some rounds; every second round goes backwards."""
    found: dict[str, list[T]] = {name: [] for name in contestants}
    for number in range(rounds):
        order = list(contestants) if number % 2 == 0 else list(contestants)[::-1]
        for name in order:
            found[name].append(contestants[name]())
    return found


# Printing


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure beside the bar it has to clear, and the goal beyond where there is one."""

    what: str
    value: float
    bar: float | None
    least: bool
    unit: str = "×"
    goal: float | None = None

    @property
    def met(self) -> bool:
        if self.bar is None:
            return True
        return self.value >= self.bar if self.least else self.value <= self.bar

    def cells(self) -> list[str]:
        sign = "≥" if self.least else "≤"
        bar = "-" if self.bar is None else f"{sign} {_figure(self.bar)} {self.unit}"
        if self.goal is not None:
            bar += f" (goal {self.goal:g})"
        return [
            self.what,
            f"{_figure(self.value)} {self.unit}",
            bar,
            "-" if self.bar is None else "met" if self.met else "MISSED",
        ]


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


def at_least(what: str, value: float, bar: float | None, unit: str = "×", *, goal: float | None = None) -> Bar:
    return Bar(what, value, bar, True, unit, goal)


def at_most(what: str, value: float, bar: float | None, unit: str = "×", *, goal: float | None = None) -> Bar:
    return Bar(what, value, bar, False, unit, goal)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A Markdown table, aligned: the first column to the left, the others to the right."""
    lines = [list(map(str, headers)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    lines.insert(1, ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)])
    for line in lines:
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def print_bars(bars: Sequence[Bar]) -> bool:
    """The bars as a table, if there are any; whether all are met."""
    if bars:
        print_table(["", "measured", "bar", ""], [bar.cells() for bar in bars])
    return all(bar.met for bar in bars)
