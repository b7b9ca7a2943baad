"""What an app would do for a request: up to the graph the request is answered as usual, and there it stops."""

from __future__ import annotations

from typing import Any

from fastdag.cli.requesting import Asked, ask
from fastdag.cli.routes import Route, routes_of
from fastdag.cli.trouble import Trouble
from fastdag.errors import UnknownOutput
from fastdag.explain import Explained
from fastdag.select import select
from fastdag.web import fields
from fastdag.web.app import App

__all__ = ["explain"]


class _Stop:
    """A Falcon middleware: the last thing that sees a request before its graph does."""

    def __init__(self, app: App) -> None:
        self._routes = {(route.path, route.resource): route for route in routes_of(app)}
        self._app = app
        self.route: Route | None = None
        self.explained: list[Explained] = []

    def process_resource(self, req: Any, resp: Any, resource: Any, params: dict[str, Any]) -> None:
        answering = self._app.graph_routes.get(req.uri_template, {}).get(req.method)
        if answering is None:
            return
        route = self._routes[req.uri_template, answering]
        context = answering.context(req, params)
        wanted = fields.wanted(answering.graph, req.params) if answering.fields else None
        self.explained = _explained(route, context, wanted)
        self.route = route
        resp.complete = True  # what Falcon offers to leave out the responder


def _explained(route: Route, context: Any, wanted: tuple[str, ...] | None) -> list[Explained]:
    plan = route.plan()
    explained = plan.explain(context)
    if wanted is None:
        return explained
    try:
        runs = select(plan, wanted).plan
    except UnknownOutput as error:
        raise fields.refused(error) from error
    known = {*runs.ids, *(step.id for step, _ in runs.sinks)}
    return [each for each in explained if each.id in known]


def explain(app: App, request: Asked) -> tuple[Route, list[Explained]]:
    """The route that would answer, and its nodes as they would run for this request; no upstream is asked."""
    stop = _Stop(app)
    app.add_middleware(stop)
    answer = ask(app, request)
    if stop.route is None:
        why = "".join(f"\n{text}" for text in _reasons(answer.content()))
        raise Trouble(
            f"{request.name} is answered {answer.status} by no graph{why}", "fastdag routes lists the routes"
        )
    return stop.route, stop.explained


def _reasons(problem: Any) -> list[str]:
    """What an RFC 9457 problem says to people; an app may have answers of other kinds."""
    if not isinstance(problem, dict):
        return []
    errors = problem.get("errors")
    parts = [problem, *(errors if isinstance(errors, list) else ())]
    return [str(part["detail"]) for part in parts if isinstance(part, dict) and part.get("detail")]
