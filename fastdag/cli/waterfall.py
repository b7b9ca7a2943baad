"""The nodes of a run on one scale of time, and under each the calls it made."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from fastdag.cli.calling import Witness
from fastdag.cli.requesting import Answer
from fastdag.cli.screen import Row, table
from fastdag.observe.record import CallRecord, NodeRecord, RunRecord
from fastdag.outcome import CANCELLED, FAILED, FALLBACK, OK, SKIPPED

__all__ = ["of_answer", "of_witness"]

_STYLES = {OK: "green", FALLBACK: "yellow", SKIPPED: "dim", FAILED: "red", CANCELLED: "magenta"}

_COLUMNS = 40


def of_answer(answer: Answer) -> Iterator[RenderableType]:
    """The answer's head."""
    yield Text(str(answer.status), "bold green" if answer.status < 400 else "bold red")
    for name, value in answer.headers:
        yield Text.assemble((f"{name}: ", "dim"), value)
    yield ""


def of_witness(witness: Witness) -> Iterator[RenderableType]:
    """The run, if there was one. `COST` is what a node on the critical path added to it."""
    run = witness.run
    if run is None:
        return
    yield ""
    yield Text(f"{run.graph}, {_ms(run.elapsed)}", "bold")
    costs, calls = witness.costs, witness.calls
    rows: list[Row] = []
    for node in run.nodes:
        rows.append(_node(node, run, costs.get(node.id)))
        rows += [_call(call, run) for call in calls if call.node == node.id]
    rows += [_call(call, run) for call in calls if call.node not in run.ids]
    yield table(("NODE", f"0 to {_ms(run.elapsed)}", "BEGAN", "TOOK", "END", "COST"), rows)


def _node(node: NodeRecord, run: RunRecord, cost: float | None) -> Row:
    style = _STYLES[node.state]
    end = Text(f"{node.state} ({node.reason})" if node.reason not in ("", node.state) else node.state, style)
    if node.started is None:
        return (node.id, "", "", "", end, "")
    bar = _bar(node.started, node.elapsed, run, style)
    return (node.id, bar, _ms(node.started), _ms(node.elapsed), end, "" if cost is None else _ms(cost))


def _call(call: CallRecord, run: RunRecord) -> Row:
    end = Text(call.reason or str(call.status), "red" if call.reason else "dim")
    name = Text(f"  {call.upstream}: {call.method} {call.path}", "dim")
    return (name, _bar(call.started, call.elapsed, run, "dim"), _ms(call.started), _ms(call.elapsed), end, "")


def _bar(started: float, elapsed: float, run: RunRecord, style: str) -> Text:
    """Where on the scale; what is too short to be seen is one mark."""
    scale = _COLUMNS / run.elapsed if run.elapsed else 0.0
    first = min(int(started * scale), _COLUMNS - 1)
    length = max(min(round(elapsed * scale), _COLUMNS - first), 1)
    return Text(" " * first + "━" * length, style)


def _ms(value: float) -> str:
    return f"{value * 1000:.1f} ms"
