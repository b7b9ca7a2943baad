"""What the tests of the observe floor share: requests to graphs whose upstreams answer at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from webtest import TestApp

from fastdag.graph import Graph
from fastdag.observe.record import RunRecord
from fastdag.upstream.call import Call, Headers, Response
from fastdag.upstream.client import Upstream
from fastdag.web.app import App

__all__ = ["Fake", "client", "recorded", "shop", "upstream"]


class Fake:
    """A transport that answers what it was given, or with its one answer; errors are raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, dict[str, str]]] = []

    def send(self, call: Call) -> Response:
        self.calls.append((call.target, {name.lower(): value for name, value in call.headers}))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(call)
        if isinstance(answer, BaseException):
            raise answer
        status, body = answer
        return Response(status, Headers([("Content-Type", "application/json")]), body)

    def close(self) -> None:
        pass


def upstream(*answers: Any, name: str = "catalog", **options: Any) -> Upstream:
    return Upstream(name, f"http://{name}:8080", transport=Fake(*(answers or ((200, b'{"id": 7}'),))), **options)


def shop(catalog: Upstream) -> Graph:
    """`product`, a fetch; `seller`, another one that needs it; `offer`, a function of both."""
    graph = Graph("shop")
    graph.fetch("product", catalog, "/products/{path.id}")
    graph.fetch("seller", catalog, "/sellers/{product.id}", optional=True)

    @graph.node(output="offer")
    def offer(context, product, seller=None):
        return seller

    return graph


def client(graph: Graph, *observers: Any, path: str = "/products/{id}", **options: Any) -> TestApp:
    app = App(observe=observers, **options)
    app.add_graph(path, graph)
    return TestApp(app)


def recorded(
    graph: Graph, times: dict[str, tuple[float, float]], *, elapsed: float | None = None, **states: str
) -> RunRecord:
    """A run that went like this: `{"a": (0.0, 1.0)}`. Nodes without times were skipped, at 0, or where `ends` says."""
    plan = graph.compile()
    codes = {"ok": 1, "fallback": 2, "skipped": 3, "failed": 4, "cancelled": 5}
    run = SimpleNamespace(
        plan=plan,
        start=100.0,
        began=[100.0 + times[id][0] if id in times else None for id in plan.ids],
        ended=[100.0 + times[id][1] if id in times else 100.0 for id in plan.ids],
        state=[codes[states.get(id, "ok" if id in times else "skipped")] for id in plan.ids],
        fatal=[i for i, id in enumerate(plan.ids) if states.get(id) == "failed" and not plan.steps[i].optional],
        breaths={},
        trouble={plan.index[id]: ("timeout", None) for id, state in states.items() if state in ("failed", "fallback")},
    )
    return RunRecord(run, max(end for _, end in times.values()) if elapsed is None else elapsed)
