"""The last runs of every route, and what they say together: where the time goes, and what would save some."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

from fastdag.events import Bare, Instrument
from fastdag.node import near
from fastdag.observe.critical import critical_path, simulate
from fastdag.observe.record import RunRecord

__all__ = ["NodeReport", "Route", "RouteReport", "Timeline", "WhatIf", "nodes_of", "percentile", "report", "what_if"]


class Route(NamedTuple):
    """What runs are grouped by. Runs outside of a request have neither method nor path."""

    method: str
    path: str
    graph: str


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node in the runs of a route. Shares are from 0 to 1, times in seconds.

    `critical` is the share of runs on whose critical path the node was, `cost` what it added to those on average, and
    `share` its part of the time of all runs together. `p50` and `p95` are of its own time, `states` counts its
    ends. Where it was skipped it took no time and decided nothing.
    """

    id: str
    runs: int
    critical: float
    cost: float
    share: float
    p50: float
    p95: float
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RouteReport:
    """The runs of a route; `nodes` in the order of declaration."""

    runs: int
    complete: int
    failed: int
    p50: float
    p95: float
    nodes: tuple[NodeReport, ...]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The times of recorded runs, and what they would have been."""

    runs: int
    p50: float
    p95: float
    p50_then: float
    p95_then: float


class Timeline:
    """Keeps the last `keep` runs of every route. Recording one costs a list entry; the rest is done when it is asked.

    timeline = Timeline()
    app = App(observe=[timeline])
    ...
    for route in timeline.routes():
        print(route, timeline.report(route).p95, timeline.what_if(route, {"reviews": 50}).p95_then)
    """

    def __init__(self, keep: int = 256) -> None:
        self._keep = keep
        self._runs: dict[tuple[str, str, str], deque[RunRecord]] = {}

    def events(self) -> dict[str, Instrument]:
        return {"run.ended": Bare(self._ended)}

    def _ended(self, _graph: str, run: Any, elapsed: float) -> None:
        record = RunRecord(run, elapsed, run.context)
        route = record.method, record.route, run.plan.graph_id
        runs = self._runs.get(route)
        if runs is None:
            runs = self._runs[route] = deque(maxlen=self._keep)
        runs.append(record)

    def routes(self) -> list[Route]:
        return [Route(*route) for route in self._runs]

    def runs(self, route: Route) -> list[RunRecord]:
        """The last runs, the oldest first."""
        return list(self._runs.get(route, ()))

    def report(self, route: Route) -> RouteReport:
        """Where the time of a route goes."""
        return report(self.runs(route))

    def what_if(self, route: Route, faster: Mapping[str, float]) -> WhatIf:
        """What a route's times would be if nodes were faster, by per cent: `{"reviews": 50}` takes half its time.

        A node that is in none of the route's runs is a `ValueError`; where nothing has run, nothing is known.
        """
        return what_if(self.runs(route), faster)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many per cent of the values do not exceed (nearest rank); 0 if there are none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]


def nodes_of(runs: Sequence[RunRecord]) -> set[str]:
    """The nodes that are in any of the runs."""
    return set().union(*{run.ids for run in runs})


def what_if(runs: Sequence[RunRecord], faster: Mapping[str, float]) -> WhatIf:
    """The times of runs, and of the same runs with some nodes faster, by per cent. Failed runs are left out."""
    for id, percent in faster.items():
        if not 0 <= percent <= 100:
            raise ValueError(f"{id} can be faster by 0 to 100 per cent, not by {percent!r}")
    known = nodes_of(runs)
    for id in faster:
        if runs and id not in known:
            raise ValueError(f"no run has a node {id!r}{near(id, known)}")
    shares = {id: percent / 100 for id, percent in faster.items()}
    whole = [run for run in runs if not run.failed]
    now = [run.elapsed for run in whole]
    then = [simulate(run, shares) for run in whole]
    return WhatIf(len(whole), percentile(now, 50), percentile(now, 95), percentile(then, 50), percentile(then, 95))


def report(runs: Sequence[RunRecord]) -> RouteReport:
    """What runs of one route have in common."""
    costs: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {}
    states: dict[str, dict[str, int]] = {}
    for run in runs:
        nodes = run.nodes
        skipped = {node.id for node in nodes if node.state == "skipped"}  # asking its `when` is no run of a node
        for leg in critical_path(run):
            if leg.id not in skipped:
                costs.setdefault(leg.id, []).append(leg.cost)
        for node in nodes:
            if node.started is not None and node.id not in skipped:
                times.setdefault(node.id, []).append(node.elapsed)
            counts = states.setdefault(node.id, {})
            counts[node.state] = counts.get(node.state, 0) + 1
    elapsed = [run.elapsed for run in runs]
    total = sum(elapsed) or 1.0
    reports = tuple(
        NodeReport(
            id,
            sum(counts.values()),
            len(own := costs.get(id, ())) / len(runs),
            sum(own) / len(own) if own else 0.0,
            sum(own) / total,
            percentile(times.get(id, ()), 50),
            percentile(times.get(id, ()), 95),
            counts,
        )
        for id, counts in states.items()
    )
    return RouteReport(
        len(runs),
        sum(run.complete for run in runs),
        sum(run.failed for run in runs),
        percentile(elapsed, 50),
        percentile(elapsed, 95),
        reports,
    )
