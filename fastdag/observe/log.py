"""One structured line per request, and one per upstream call where wanted: described as data, then rendered."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import msgspec

from fastdag.observe.pump import Pump, has_descriptor
from fastdag.observe.record import CallRecord, RequestRecord, RunRecord
from fastdag.observe.recorder import Recorder
from fastdag.observe.redact import one_line, wsgi_path

__all__ = ["Lines", "Log"]

Format = Literal["json", "console"]

#: So many nodes, and so many calls, stand in one line.
_MOST = 100


class Log(Recorder):
    """Writes one line per request when it is over, as JSON or, for people, as text.

        app = App(observe=[Log()])

    - `stream`: where lines go, standard output if not given. What has a descriptor is written to by a thread of its
      own, so that a log that nobody reads holds up no request; `dropped` counts the lines that were lost.
    - `form`: `"json"` or `"console"`; `None` is JSON unless the stream is a terminal.
    - `upstreams`: one more line per call to an upstream, with `depends_on`: the nodes that it had to wait for.
    - `skip`: paths that are not logged while all is well, `("/livez", "/readyz")` say.

    No query, header or body is logged, and what looks like a secret in a path is masked.
    """

    def __init__(
        self,
        stream: Any = None,
        *,
        form: Format | None = None,
        upstreams: bool = False,
        skip: Container[str] = (),
    ) -> None:
        super().__init__()
        if form not in ("json", "console", None):
            raise ValueError(f'form is "json" or "console", not {form!r}')
        self._stream = sys.stdout if stream is None else stream
        terminal = getattr(self._stream, "isatty", lambda: False)()
        self._render = _RENDER[form or ("console" if terminal else "json")]
        self._upstreams = upstreams
        self._skip = skip
        self._pump: Pump | None = None

    def start(self) -> None:
        """Have lines written by a thread, in the process that calls this."""
        if self._pump is None and has_descriptor(self._stream):
            self._pump = Pump(self._stream)

    def stop(self) -> None:
        """Write what waits."""
        if self._pump is not None:
            self._pump.drain(1.0)

    @property
    def dropped(self) -> int:
        return 0 if self._pump is None else self._pump.dropped

    def ended(self, record: RequestRecord) -> None:
        if record.path in self._skip and record.status < 400:
            return
        waited_for = _waited_for(record)
        lines = [describe_request(record, waited_for)]
        if self._upstreams:
            lines += [describe_upstream(record, call, waited_for) for call in record.calls]
        (self._pump or self._stream).write("".join(f"{self._render(line)}\n" for line in lines))


def describe_request(record: RequestRecord, waited_for: Mapping[str | None, list[str]]) -> dict[str, Any]:
    """A request as the data of its line."""
    nodes = [_describe_node(run, node) for run in record.runs for node in run.nodes]
    line = {
        "time": _time(record.started),
        "event": "request",
        "method": one_line(record.method, 32),
        "route": _name(record.route, 500),
        "path": wsgi_path(record.path),
        "status": record.status,
        "ms": _ms(record.elapsed),
        "request_id": record.request_id,
        "trace_id": record.trace_id,
        "complete": record.complete,
        "nodes": nodes[:_MOST],
        "calls": [describe_call(call, waited_for) for call in record.calls[:_MOST]],
        "retries": record.retries,
    }
    events = [event.name for event in record.events if event.name != "retry.scheduled"]
    if events:
        line["events"] = {name: events.count(name) for name in dict.fromkeys(events)}
    left_out = record.left_out + max(0, len(nodes) - _MOST) + max(0, len(record.calls) - _MOST)
    return {**line, "left_out": left_out} if left_out else line


def _describe_node(run: RunRecord, node: Any) -> dict[str, Any]:
    told = {"node": _name(node.id), "state": node.state, "ms": _ms(node.elapsed)}
    if node.started is not None:
        told["at"] = _ms(node.started)
    return {**told, "reason": node.reason} if node.reason else told


def describe_call(call: CallRecord, waited_for: Mapping[str | None, list[str]]) -> dict[str, Any]:
    """A call to an upstream, and the nodes whose end it had to wait for."""
    told: dict[str, Any] = {
        "upstream": _name(call.upstream),
        "node": call.node and _name(call.node),
        "method": one_line(call.method, 32),
        "path": wsgi_path(call.path),
        "status": call.status,
        "at": _ms(call.started),
        "ms": _ms(call.elapsed),
        "depends_on": waited_for.get(call.node, []),
    }
    return {**told, "reason": call.reason} if call.reason else told


def describe_upstream(
    record: RequestRecord, call: CallRecord, waited_for: Mapping[str | None, list[str]]
) -> dict[str, Any]:
    """A call as the data of a line of its own."""
    return {
        "time": _time(record.started + call.started),
        "event": "upstream",
        "request_id": record.request_id,
        "trace_id": record.trace_id,
        "route": _name(record.route, 500),
        **describe_call(call, waited_for),
    }


def _waited_for(record: RequestRecord) -> dict[str | None, list[str]]:
    """For every node of a request's runs, those whose end it had to wait for; of two with one id, for the first."""
    found: dict[str | None, list[str]] = {}
    for run in record.runs:
        for id, parents in zip(run.ids, run.parents(), strict=True):
            found.setdefault(id, [_name(run.ids[parent]) for parent in parents])
    return found


@lru_cache(maxsize=4096)
def _name(declared: str, limit: int = 200) -> str:
    """A name that stands in the program, in one line: there are only so many, and they come again and again."""
    return one_line(declared, limit)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _json(line: Mapping[str, Any]) -> str:
    return msgspec.json.encode(line).decode()


def _console(line: Mapping[str, Any]) -> str:
    who = f"{line['time'][11:23]} {line['status']} {line['method']}"
    if line["event"] == "upstream":
        after = f" after {', '.join(line['depends_on'])}" if line["depends_on"] else ""
        reason = f" {line['reason']}" if "reason" in line else ""
        return f"{who}   {line['upstream']} {line['path']} {line['ms']:.1f} ms{reason}{after} [{line['request_id']}]"
    whole = {True: "complete", False: "partial", None: ""}[line["complete"]]
    nodes = [f"{n['node']} {n['ms']:.1f}{_why(n)}" for n in line["nodes"] if n["state"] != "skipped"]
    told = [f"{who} {line['path']} {line['ms']:.1f} ms", whole, " · ".join(nodes), f"{len(line['calls'])} calls"]
    if line["retries"]:
        told.append(f"{line['retries']} retries")
    return "  ".join(part for part in [*told, f"[{line['request_id']}]"] if part)


def _why(node: Mapping[str, Any]) -> str:
    return "" if node["state"] == "ok" else f" ({node.get('reason') or node['state']})"


_RENDER: dict[str, Callable[[Mapping[str, Any]], str]] = {"json": _json, "console": _console}


class Lines(logging.Formatter):
    """For `logging`'s handlers: every record is one line of JSON, tracebacks too, and redacted like the others."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record.created),
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": one_line(record.getMessage(), 8000),
        }
        if record.exc_info:
            # Line by line: what ends a header ends with its line.
            lines = self.formatException(record.exc_info).splitlines()
            line["traceback"] = "\n".join(one_line(each) for each in lines)
        return _json(line)
