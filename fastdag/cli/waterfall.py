"""The nodes of a run on one scale of time, and under each the calls it made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from fastdag.cli.calling import Bar, Call
from fastdag.cli.requesting import Answer
from fastdag.cli.screen import ASIDE, Row, table, width
from fastdag.observe.record import CallRecord, Event
from fastdag.outcome import CANCELLED, FAILED, FALLBACK, OK, SKIPPED

__all__ = ["head_of", "waterfall"]

_STYLES = {OK: "green", FALLBACK: "yellow", SKIPPED: "dim", FAILED: "red", CANCELLED: "magenta"}

#: Columns of the scale, where there is room; and of everything beside it but names and ends.
_MOST, _LEAST, _BESIDE = 40, 10, 34


@dataclass(frozen=True, slots=True)
class _Scale:
    """Seconds from the request's start to its end, on so many columns."""

    whole: float
    columns: int

    def bar(self, started: float, elapsed: float, style: str) -> Text:
        """What is too short to be seen is one mark."""
        each = self.columns / self.whole
        first = min(int(started * each), self.columns - 1)
        length = max(min(round(elapsed * each), self.columns - first), 1)
        return Text(" " * first + "━" * length, style)


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
    nodes, calls = call.nodes(), call.record.calls
    longest = max(map(len, [*call.run.ids, *map(_name, calls)])) + max(len(_end(node)) for node in nodes)
    scale = _Scale(whole, max(_LEAST, min(_MOST, width(ASIDE) - longest - _BESIDE)))
    yield Text(f"{call.run.graph}, {_ms(whole)}", "bold")
    rows: list[Row] = []
    for node in nodes:
        rows.append(_node(node, scale))
        rows += [_call(each, scale) for each in call.calls_of(node.node)]
    rows += [_call(each, scale) for each in calls if each.node not in call.run.ids]
    yield table(("NODE", f"0 to {_ms(whole)}", "BEGAN", "TOOK", "END", "COST"), rows)
    yield from map(_event, call.record.events)


def _node(node: Bar, scale: _Scale) -> Row:
    style = _STYLES[node.state]
    end = Text(_end(node), style)
    if node.started is None:
        return (node.node, "", "", "", end, "")
    cost = "" if node.cost is None else _ms(node.cost)
    bar = scale.bar(node.started, node.elapsed, style)
    return (node.node, bar, _ms(node.started), _ms(node.elapsed), end, cost)


def _end(node: Bar) -> str:
    return f"{node.state} ({node.reason})" if node.reason not in ("", node.state) else node.state


def _call(call: CallRecord, scale: _Scale) -> Row:
    end = Text(call.reason or str(call.status), "red" if call.reason else "dim")
    bar = scale.bar(call.started, call.elapsed, "dim")
    return (Text(_name(call), "dim"), bar, _ms(call.started), _ms(call.elapsed), end, "")


def _name(call: CallRecord) -> str:
    return f"  {call.upstream}: {call.method} {call.path}"


def _event(event: Event) -> Text:
    about = ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in event.about.items()
    )
    return Text.assemble((event.name, "bold"), f" after {_ms(event.at)}: {about}")


def _ms(value: float) -> str:
    return f"{value * 1000:.1f} ms"
