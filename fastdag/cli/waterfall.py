"""The nodes of a run on one scale of time, and under each the calls it made."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from fastdag.cli.calling import Bar, Call
from fastdag.cli.requesting import Answer
from fastdag.cli.screen import Row, table
from fastdag.observe.record import CallRecord, Event
from fastdag.outcome import CANCELLED, FAILED, FALLBACK, OK, SKIPPED

__all__ = ["head_of", "waterfall"]

_STYLES = {OK: "green", FALLBACK: "yellow", SKIPPED: "dim", FAILED: "red", CANCELLED: "magenta"}

_COLUMNS = 40


def head_of(answer: Answer) -> Iterator[RenderableType]:
    """The answer's status and headers."""
    yield Text(str(answer.status), "bold green" if answer.status < 400 else "bold red")
    for name, value in answer.headers:
        yield Text.assemble((f"{name}: ", "dim"), value)


def waterfall(call: Call) -> Iterator[RenderableType]:
    """The run, if there was one. `COST` is what a node on the critical path added to it."""
    if call.run is None:
        return
    whole = call.record.elapsed
    yield Text(f"{call.run.graph}, {_ms(whole)}", "bold")
    rows: list[Row] = []
    for node in call.nodes():
        rows.append(_node(node, whole))
        rows += [_call(each, whole) for each in call.calls_of(node.node)]
    rows += [_call(each, whole) for each in call.record.calls if each.node not in call.run.ids]
    yield table(("NODE", f"0 to {_ms(whole)}", "BEGAN", "TOOK", "END", "COST"), rows)
    yield from map(_event, call.record.events)


def _node(node: Bar, whole: float) -> Row:
    style = _STYLES[node.state]
    end = Text(f"{node.state} ({node.reason})" if node.reason not in ("", node.state) else node.state, style)
    if node.started is None:
        return (node.node, "", "", "", end, "")
    cost = "" if node.cost is None else _ms(node.cost)
    return (node.node, _bar(node.started, node.elapsed, whole, style), _ms(node.started), _ms(node.elapsed), end, cost)


def _call(call: CallRecord, whole: float) -> Row:
    end = Text(call.reason or str(call.status), "red" if call.reason else "dim")
    name = Text(f"  {call.upstream}: {call.method} {call.path}", "dim")
    return (name, _bar(call.started, call.elapsed, whole, "dim"), _ms(call.started), _ms(call.elapsed), end, "")


def _event(event: Event) -> Text:
    about = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in event.about.items()
    )
    return Text.assemble((event.name, "bold"), f" after {_ms(event.at)}: {about}")


def _bar(started: float, elapsed: float, whole: float, style: str) -> Text:
    """Where on the scale; what is too short to be seen is one mark."""
    scale = _COLUMNS / whole if whole else 0.0
    first = min(int(started * scale), _COLUMNS - 1)
    length = max(min(round(elapsed * scale), _COLUMNS - first), 1)
    return Text(" " * first + "━" * length, style)


def _ms(value: float) -> str:
    return f"{value * 1000:.1f} ms"
