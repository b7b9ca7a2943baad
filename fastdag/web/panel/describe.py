"""What the panel shows, as plain data.

Nothing that a user sent is in it: paths are templates and references as they were declared, and of a request there are
its id, its times and how things ended. Times are in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastdag.observe import draw
from fastdag.observe.critical import critical_path
from fastdag.observe.timeline import nodes_of, percentile, report, what_if
from fastdag.plan import Plan
from fastdag.upstream.client import Upstream
from fastdag.web.openapi import Routes
from fastdag.web.panel.history import History, Seen, rate
from fastdag.web.resource import GraphResource

__all__ = ["Shown", "describe_graph", "describe_request", "describe_route", "describe_upstreams", "numbers", "shown"]

Data = dict[str, Any]

#: What is told of an event. The other fields may hold keys out of answers.
_TOLD = ("upstream", "node", "why", "attempt")


@dataclass(frozen=True, slots=True)
class Shown:
    """A path, with the methods of it that one graph answers."""

    path: str
    methods: tuple[str, ...]
    resource: GraphResource

    @property
    def key(self) -> str:
        return f"{','.join(self.methods)} {self.path}"

    def plan(self) -> Plan:
        return self.resource.graph.compile()

    def seen(self, history: History) -> list[Seen]:
        return history.of(self.path, self.resource.graph.id)


def shown(routes: Routes) -> Iterator[Shown]:
    """The routes, in the order in which they were added. `HEAD` goes without saying where there is `GET`."""
    for path, bound in routes.items():
        for resource in dict.fromkeys(bound.values()):
            methods = [method for method, answering in bound.items() if answering is resource]
            yield Shown(path, tuple(name for name in methods if name != "HEAD" or "GET" not in methods), resource)


def describe_route(route: Shown, seen: Sequence[Seen]) -> Data:
    """One line about a route."""
    elapsed = [one.record.elapsed for one in seen]
    return {
        "key": route.key,
        "methods": route.methods,
        "path": route.path,
        "graph": route.resource.graph.id,
        "requests": len(seen),
        "rate": rate(seen),
        "p50": percentile(elapsed, 50),
        "p95": percentile(elapsed, 95),
        "errors": sum(one.record.status >= 500 for one in seen),
        "partial": sum(not one.run.complete and not one.run.failed for one in seen),
    }


def describe_graph(plan: Plan, timeout: float | None) -> Data:
    """Nodes and edges as they are drawn, and what each node was declared to do."""
    drawing = draw.describe(plan)
    declared = {found.id: found for found in replace(plan, timeout=timeout).explain()}
    outputs = {plan.ids[index]: key or "" for index, key in plan.outputs}
    return {
        "id": plan.graph_id,
        "timeout": timeout,
        "nodes": [
            {
                "id": node.id,
                "kind": node.kind,
                "upstream": node.upstream,
                "optional": node.optional,
                "sink": node.sink,
                "output": outputs.get(node.id),
                "timeout": declared[node.id].timeout,
                "condition": declared[node.id].condition,
                "call": _declared_call(declared[node.id].call),
            }
            for node in drawing.nodes
        ],
        "edges": [edge._asdict() for edge in drawing.edges],
    }


def _declared_call(call: Mapping[str, Any]) -> str:
    """`GET /products/{path.id}`; a function that builds its request says nothing beforehand."""
    target = call.get("target")
    return f"{call['method']} {target}" if isinstance(target, str) else ""


def numbers(seen: Sequence[Seen], faster: Mapping[str, float]) -> Data:
    """Where a route's time goes, and where it would go if nodes were faster, by per cent; others than ran are not."""
    runs = [one.run for one in seen]
    known = nodes_of(runs)
    faster = {id: percent for id, percent in faster.items() if id in known}
    return {
        "report": asdict(report(runs)) if runs else None,
        "what_if": asdict(what_if(runs, faster)) if faster else None,
    }


def describe_request(seen: Seen) -> Data:
    """One request: what ran from when to when, in seconds after its beginning, and what it waited for."""
    record, run = seen.record, seen.run
    began = run.start - record.start
    return {
        "number": seen.number,
        "id": record.request_id,
        "method": record.method,
        "status": record.status,
        "started": record.started,
        "elapsed": record.elapsed,
        "complete": run.complete,
        "nodes": [
            {
                "id": node.id,
                "state": node.state,
                "reason": node.reason,
                "started": None if node.started is None else began + node.started,
                "ended": began + node.ended,
            }
            for node in run.nodes
        ],
        "critical": [leg.id for leg in critical_path(run)],
        "calls": [{name: value for name, value in call._asdict().items() if name != "path"} for call in record.calls],
        "events": [
            {"name": event.name, "at": event.at, **{key: event.about[key] for key in _TOLD if key in event.about}}
            for event in record.events
        ],
        "left_out": record.left_out,
    }


def describe_upstreams(upstreams: Iterable[Upstream], seen: Sequence[Seen]) -> list[Data]:
    """The state of the upstreams of a graph, in this process, and what their caches did for the last requests."""
    cached: Counter[tuple[str, str]] = Counter()
    for one in seen:
        cached.update((e.about["upstream"], e.name) for e in one.record.events if e.name.startswith("cache."))
    return [_describe_upstream(upstream, cached) for upstream in upstreams]


def _describe_upstream(upstream: Upstream, cached: Mapping[tuple[str, str], int]) -> Data:
    about = upstream.describe()
    layers = {layer["name"]: layer for layer in about["layers"]}
    circuits = layers["breaker"]["state"] if "breaker" in layers else {}
    bulkhead, cache = layers.get("bulkhead"), layers.get("cache")
    return {
        "name": upstream.name,
        "hosts": [{"url": url, "breaker": circuits.get(url)} for url in about["hosts"]],
        "bulkhead": bulkhead and {**bulkhead["state"], "limit": bulkhead["options"]["limit"]},
        "cache": cache and _describe_cache(upstream.name, cache["state"], cached),
    }


def _describe_cache(upstream: str, state: Mapping[str, Any], cached: Mapping[tuple[str, str], int]) -> Data:
    """Of the state only what is known to be harmless: the store may be anybody's."""
    counts = {name: cached.get((upstream, f"cache.{name}"), 0) for name in ("hit", "stale", "miss")}
    return {**counts, **{name: state.get(name) for name in ("entries", "bytes", "reachable")}}
