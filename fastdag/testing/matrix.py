"""The failure matrix: what a client gets when a fetch goes wrong, for each fetch and each way to go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec

from fastdag.graph import Graph
from fastdag.observe.install import upstream_of
from fastdag.testing.answers import Answer, bad_json, hang, status
from fastdag.testing.fake import FakeUpstream
from fastdag.testing.faults import Detour, afresh, diverted, elsewhere, late
from fastdag.testing.stacking import override_upstream
from fastdag.testing.table import Matrix, Row
from fastdag.testing.wsgi import Answered, Asked, ask
from fastdag.upstream.client import Upstream
from fastdag.web.app import App

__all__ = ["FAULTS", "failure_matrix"]

#: What calls meet in the rows, by name; `None`: nobody listens. To this comes `slow`, the upstream's own answer.
FAULTS: Mapping[str, Answer | None] = MappingProxyType(
    {"timeout": hang(), "5xx": status(500), "bad JSON": bad_json(), "refused": None}
)

# Headers that say nothing about failures, or that differ between two runs of the same program.
_DULL = frozenset({"content-length", "content-type", "date", "etag", "vary", "x-content-type-options", "x-request-id"})

_REQUEST_ID = "failure-matrix"
_SINKS = 5.0  # seconds for what runs after an answer


def failure_matrix(
    target: App | Graph,
    request: str | Asked,
    *,
    upstreams: Mapping[Upstream, FakeUpstream | str] | None = None,
    route: str | None = None,
    slow: float | None = 0.1,
    faults: Mapping[str, Answer | None] = FAULTS,
    nodes: Iterable[str] | None = None,
) -> Matrix:
    """Answer one request again and again, with one fetch node after another meeting one fault after another.

        matrix = failure_matrix(app, "/products/42", upstreams={catalog: fake})
        matrix.row("seller", "timeout").status

    - `target`: an app, or a graph and the `route` to bind it to, such as `"/products/{id}"`.
    - `request`: a path with its query, or `Asked("/orders", method="POST", body=b"{}")`.
    - `upstreams`: fakes or base URLs that answer what goes well; the others are asked where they are.
    - `slow`: seconds by which an upstream's own answer comes late in the rows `slow`; `None` leaves those out.
    - `faults`: by name, the answers that the calls meet, such as `status(503)` and `cut()`; `None`: nobody listens.
    - `nodes`: ids, to look at some only.

    The faults are met on sockets, below retries, breakers and caches, which start from nothing in every row. A timeout
    takes its time. The first row is the answer when nothing fails.
    """
    asked = request if isinstance(request, Asked) else Asked(request)
    asked = replace(asked, headers={"X-Request-Id": _REQUEST_ID, **asked.headers})
    app = _app(target, route, asked.method)
    with ExitStack() as stack:
        for upstream, place in (upstreams or {}).items():
            stack.enter_context(override_upstream(upstream, place))
        detours = {name: stack.enter_context(elsewhere(fault)) for name, fault in faults.items()}
        if slow is not None:
            detours["slow"] = late(slow)
        graph, well = _graph_of(app, asked)
        fetches = [wire.node.id for wire in graph.compile().wires if upstream_of(wire.node) is not None]
        failed = [
            _row(id, name, _ask_diverted(app, asked, graph, id, detour))
            for id in (fetches if nodes is None else nodes)
            for name, detour in detours.items()
        ]
    return Matrix((_row("", "none", well), *failed))


def _graph_of(app: App, asked: Asked) -> tuple[Graph, Answered]:
    """The graph that answers a request, and the answer."""
    graphs = {resource.graph for methods in app.graph_routes.values() for resource in methods.values()}
    ran: list[Graph] = []
    with ExitStack() as stack:
        for graph in graphs:
            stack.enter_context(afresh(graph))
            note = partial(_note, ran, graph)
            graph.on("run.started", note)
            stack.callback(graph.instruments.off, "run.started", note)
        answered = ask(app, asked)
        for graph in ran:
            graph.drain(_SINKS)
    if not ran:
        said = answered.body[:200].decode(errors="replace")
        raise ValueError(f"{asked.method} {asked.target} is not answered by a graph: status {answered.status}, {said}")
    return ran[0], answered


def _note(ran: list[Graph], graph: Graph, _name: str, _fields: Mapping[str, Any]) -> None:
    ran.append(graph)


def _ask_diverted(app: App, asked: Asked, graph: Graph, node_id: str, detour: Detour) -> Answered:
    with afresh(graph), diverted(graph, node_id, detour):
        answered = ask(app, asked)
        graph.drain(_SINKS)  # its calls are diverted, too
        return answered


def _row(node_id: str, fault: str, answered: Answered) -> Row:
    headers = {name.lower(): value for name, value in answered.headers if name.lower() not in _DULL}
    try:
        body = msgspec.json.decode(answered.body)
    except msgspec.DecodeError:
        body = answered.body.decode(errors="replace")
    return Row(node_id, fault, answered.status, headers, body)


def _app(target: App | Graph, route: str | None, method: str) -> App:
    if isinstance(target, App):
        return target
    if route is None:
        raise TypeError(f"{target.id}: a graph needs the route= that it answers, like '/products/{{id}}'")
    app = App()
    app.add_graph(route, target, methods=(method,))
    return app
