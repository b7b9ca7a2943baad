"""What one viewer looks at, and the data for it: all of it once, then what has changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from fastdag.node import near
from fastdag.observe.install import upstreams_of
from fastdag.plan import Plan
from fastdag.web.panel.describe import (
    Shown,
    describe_graph,
    describe_request,
    describe_route,
    describe_upstreams,
    numbers,
    shown,
)
from fastdag.web.panel.history import History
from fastdag.web.panel.recording import Recording, Subject
from fastdag.web.problem import Problem

__all__ = ["View", "Views"]

#: So many requests are sent at once, the last ones.
_REQUESTS = 30


class Views:
    """What there is to look at: an app, and what is known of its requests."""

    def __init__(self, app: Subject, history: History, recording: Recording | None) -> None:
        self.app = app
        self.history = history
        self._recording = recording

    def wanted(self, query_string: str) -> View:
        """As the query says: `route=GET /products/{id}` (without one, the first) and `faster=reviews:50`, repeated."""
        query = parse_qs(query_string)
        faster = {}
        for text in query.get("faster", ()):
            node, _, percent = text.rpartition(":")
            if not percent.isdecimal() or not 0 <= int(percent) <= 100:
                raise Problem(400, detail="faster is a node, a colon, and per cent from 0 to 100.")
            faster[node] = float(percent)
        return View(self, query.get("route", [""])[0], faster)

    def look(self) -> None:
        """Somebody looks."""
        if self._recording is not None:
            self._recording.look(self.app)


class View:
    """One viewer's: a route, and by how many per cent nodes are imagined to be faster.

    `data` is asked for again and again. The graph is in it when it is new or has changed, and so are the requests;
    what is computed from all of them is computed when there are new ones.
    """

    def __init__(self, views: Views, route: str, faster: Mapping[str, float]) -> None:
        self._views = views
        self._route = route
        self._faster = faster
        self._plan: Plan | None = None
        self._newest = 0
        self._numbers: dict[str, Any] = {}

    def check(self) -> None:
        """Refuse a route or a node that there is not. A page that stays open is not asked: what it looks at may have
        been there before the service was started anew, and it says by itself what is missing."""
        routes, key = self._chosen()
        if self._route and key not in routes:
            raise Problem(404, detail=f"There is no route {key!r}{near(key, routes)}")
        ids = routes[key].plan().ids if key in routes else ()
        for node in self._faster:
            if node not in ids:
                raise Problem(400, detail=f"There is no node {node!r}{near(node, ids)}")

    def _chosen(self) -> tuple[dict[str, Shown], str]:
        """All routes by their keys, and the key of the one that is looked at."""
        routes = {route.key: route for route in shown(self._views.app.graph_routes)}
        return routes, self._route or next(iter(routes), "")

    def data(self) -> dict[str, Any]:
        self._views.look()
        app, history = self._views.app, self._views.history
        routes, key = self._chosen()
        return {
            "worker": os.getpid(),
            "in_flight": app.in_flight,
            "routes": [describe_route(route, route.seen(history)) for route in routes.values()],
            "route": self._describe(routes[key]) if key in routes else None,
        }

    def _describe(self, route: Shown) -> dict[str, Any]:
        plan, seen = route.plan(), route.seen(self._views.history)
        new = [one for one in seen if one.number > self._newest]
        if new or plan is not self._plan:
            self._newest = new[-1].number if new else self._newest
            self._numbers = numbers(seen, self._faster)
        about = {
            "key": route.key,
            "upstreams": describe_upstreams(upstreams_of(route.resource.graph), seen),
            "requests": [describe_request(one) for one in new[-_REQUESTS:]],
            **self._numbers,
        }
        if plan is not self._plan:
            self._plan = plan
            about["graph"] = describe_graph(plan, route.resource.limit)
        return about
