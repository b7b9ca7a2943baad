"""What is counted, as plain numbers of one process: a list entry and an addition per event, and nothing else.

Runs in which all nodes ended well, which is nearly all of them, are kept until there are some dozens, and counted
together: node by node, a tenth of the work.

Names and labels are those of OpenTelemetry's semantic conventions for HTTP where they exist, written as Prometheus
writes them. Every label's values come from a declaration or a closed set (routes, graphs, nodes, upstreams and their
hosts, methods, statuses, reasons), so that no client can make series.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import sub
from typing import Any

from fastdag.events import Bare, Instrument
from fastdag.ledger import CANCELLED, NAMES, OK, SKIPPED
from fastdag.plan import Plan
from fastdag.upstream.host import Host
from fastdag.upstream.policies.breaker import CLOSED, FORCED_CLOSED
from fastdag.workers import Workers

__all__ = ["BOUNDS", "COUNTER", "FAMILIES", "GAUGE", "HISTOGRAM", "Counts", "Family", "Key"]

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

#: Upper bounds in seconds, as the conventions advise for request durations.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# A histogram's numbers: a count for each bound, one for what is above them all, and the sum of all values. Those of a
# node are followed by the number of times that it ended well, as it nearly always does.
_EMPTY = (*(0 for _ in BOUNDS), 0, 0.0)
_SUM = len(BOUNDS) + 1
_OK = _SUM + 1

#: So many runs wait to be counted together.
_TOGETHER = 64

#: A family's name and the values of its labels.
Key = tuple[str, ...]

_LETS_THROUGH = (CLOSED, FORCED_CLOSED)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_OTHER = "_OTHER"  # the conventions' word for methods that nobody knows: clients may send what they like


@dataclass(frozen=True, slots=True)
class Family:
    """One metric, with all its series."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


_SERVER, _ACTIVE = "http_server_request_duration_seconds", "http_server_active_requests"
_CLIENT = "http_client_request_duration_seconds"
_RUN, _NODE, _OUTCOMES = "fastdag_run_duration_seconds", "fastdag_node_duration_seconds", "fastdag_node_outcomes_total"
_NOT_CLOSED, _LAG = "fastdag_breaker_not_closed", "fastdag_loop_lag_seconds_total"

_STATUS = "http_response_status_code"

#: Events that are just counted: the family, what it counts, and the fields that become labels.
_COUNTED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "node.abandoned": ("fastdag_nodes_abandoned_total", "Nodes that went on once cancelled.", ("graph", "node")),
    "node.shed": ("fastdag_nodes_shed_total", "Optional nodes that were dropped under pressure.", ("graph", "node")),
    "merge.conflict": ("fastdag_merge_conflicts_total", "Two nodes gave a key different values.", ("graph",)),
    "sink.dropped": ("fastdag_sinks_dropped_total", "Sinks that did not run: too many waited.", ("graph", "node")),
    "sink.failed": ("fastdag_sinks_failed_total", "Sinks that failed after the answer.", ("graph", "node")),
    "request.shed": ("fastdag_requests_shed_total", "Requests that were refused for being one too many.", ()),
    "retry.scheduled": ("fastdag_retries_total", "Further attempts after a failed one.", ("upstream",)),
    "retry.refused": ("fastdag_retries_refused_total", "Retries that were not made, and why.", ("upstream", "why")),
    "hedge.started": ("fastdag_hedges_total", "Second attempts beside a late first one.", ("upstream",)),
    "breaker.changed": ("fastdag_breaker_changes_total", "Changes of a breaker.", ("upstream", "host", "state")),
    "breaker.rejected": ("fastdag_breaker_rejected_total", "Calls that a breaker rejected.", ("upstream", "host")),
    "bulkhead.rejected": ("fastdag_bulkhead_rejected_total", "Calls for which there was no slot.", ("upstream",)),
    "cache.hit": ("fastdag_cache_hits_total", "Calls that were answered from the cache.", ("upstream",)),
    "cache.stale": ("fastdag_cache_stale_total", "Calls that were answered stale.", ("upstream", "why")),
    "cache.miss": ("fastdag_cache_misses_total", "Calls that the cache could not answer.", ("upstream",)),
    "store.failed": ("fastdag_store_failures_total", "What a cache's store did not do.", ("upstream", "reason")),
    "host.ejected": ("fastdag_host_ejections_total", "Hosts that were left out for a while.", ("upstream", "host")),
    "connection.dropped": ("fastdag_connections_dropped_total", "Upstream connections given up.", ("host", "cause")),
}  # fmt: skip

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            _SERVER, HISTOGRAM, "Duration of requests.", ("http_request_method", "http_route", _STATUS, "error_type")
        ),
        Family(_ACTIVE, GAUGE, "Requests that are being answered.", ("http_request_method",)),
        Family(
            _CLIENT,
            HISTOGRAM,
            "Duration of attempts at upstreams.",
            ("upstream", "server_address", "server_port", "http_request_method", _STATUS, "error_type"),
        ),
        Family(_RUN, HISTOGRAM, "Duration of runs, merging apart.", ("graph", "outcome")),
        Family(_NODE, HISTOGRAM, "Duration of nodes.", ("graph", "node")),
        Family(_OUTCOMES, COUNTER, "How nodes ended.", ("graph", "node", "state", "reason")),
        Family(_NOT_CLOSED, GAUGE, "Workers whose breaker for a host is not closed.", ("upstream", "host")),
        Family(_LAG, COUNTER, "By how much the loop turned too late, where it did.", ()),
        *(Family(name, COUNTER, help, labels) for name, help, labels in _COUNTED.values()),
    )
}


class Counts:
    """The numbers of this process, by family and labels; `events` says what adds to them."""

    __slots__ = ("_attempts", "_nodes", "_numbers", "_requests", "_runs", "_started", "_waiting")

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], list[float]] = {}
        self._attempts: dict[tuple[str, str, str, int, str], list[float]] = {}
        self._runs: dict[tuple[str, str], list[float]] = {}
        self._nodes: dict[str, dict[str, list[float]]] = {}
        self._started: dict[str, int] = {}  # requests, by method
        self._numbers: dict[Key, float] = {}
        self._waiting: list[tuple[Plan, list[Any], list[float]]] = []  # when the nodes of a run began and ended

    def events(self) -> dict[str, Instrument]:
        return {
            **{name: self._counter(*about) for name, about in _COUNTED.items()},
            "request.started": Bare(self._request_started),
            "request.ended": Bare(self._request_ended),
            "run.ended": Bare(self._run_ended),
            "attempt.ended": Bare(self._attempt_ended),
            "breaker.changed": self._breaker_changed,
            "loop.lagged": self._lagged,
        }

    def items(self) -> Iterator[tuple[Key, list[float]]]:
        """Every series: its family and labels, and its numbers; a counter or gauge has one."""
        self._count_waiting()
        active: dict[str, float] = dict(self._started)
        for (method, route, status), numbers in self._requests.items():
            active[method] = active.get(method, 0) - sum(numbers[:_SUM])
            yield (_SERVER, method, route, str(status), str(status) if status >= 500 else ""), numbers
        for method, number in active.items():
            yield (_ACTIVE, method), [number]
        for (upstream, url, method, status, reason), numbers in self._attempts.items():
            error = reason or (str(status) if status >= 400 else "")
            yield (_CLIENT, upstream, *_address(url), method, str(status or ""), error), numbers
        for run, numbers in self._runs.items():
            yield (_RUN, *run), numbers
        for graph, nodes in self._nodes.items():
            for id, numbers in nodes.items():
                yield (_NODE, graph, id), numbers[:_OK]
                yield (_OUTCOMES, graph, id, "ok", ""), numbers[_OK:]
        for key, number in self._numbers.items():
            yield key, [number]

    def clear(self) -> None:
        for numbers in (self._requests, self._attempts, self._runs, self._nodes, self._started, self._numbers):
            numbers.clear()
        self._waiting.clear()

    def _add(self, key: Key, number: float = 1) -> None:
        self._numbers[key] = self._numbers.get(key, 0) + number

    def _request_started(self, method: str, *_: Any) -> None:
        if method not in _METHODS:
            method = _OTHER
        self._started[method] = self._started.get(method, 0) + 1

    def _request_ended(
        self, method: str, _path: str, route: str, status: int, _id: str, _trace: str, elapsed: float, _: Any
    ) -> None:
        if method not in _METHODS:
            method = _OTHER
        _observe(self._requests, (method, route, status), elapsed)

    def _attempt_ended(
        self, upstream: str, host: str, method: str, _n: int, _call: Any, status: int, reason: str, elapsed: float
    ) -> None:
        if method not in _METHODS:
            method = _OTHER
        key = (upstream, host, method, status, reason)
        numbers = self._attempts.get(key)  # as in `_observe`, for what happens most often
        if numbers is None:
            numbers = self._attempts[key] = list(_EMPTY)
        numbers[bisect_left(BOUNDS, elapsed)] += 1
        numbers[_SUM] += elapsed

    def _run_ended(self, graph: str, run: Workers, elapsed: float) -> None:
        if not run.trouble and run.state.count(OK) == len(run.state):
            _observe(self._runs, (graph, "complete"), elapsed)
            self._waiting.append((run.plan, run.began, run.ended))
            if len(self._waiting) >= _TOGETHER:
                self._count_waiting()
        else:
            _observe(self._runs, (graph, _outcome(run)), elapsed)
            self._count_nodes(run)

    def _count_waiting(self) -> None:
        """Count the nodes of all runs that wait, those of the same plan together."""
        by_plan: dict[int, list[tuple[Plan, list[Any], list[float]]]] = {}
        for waiting in self._waiting:
            by_plan.setdefault(id(waiting[0]), []).append(waiting)
        self._waiting.clear()
        for runs in by_plan.values():
            plan = runs[0][0]
            began, ended = (zip(*times, strict=True) for times in ([run[1] for run in runs], [run[2] for run in runs]))
            for node, begins, ends in zip(plan.ids, began, ended, strict=True):
                numbers = self._node(plan.graph_id, node)
                numbers[_OK] += len(ends)
                _observe_all(numbers, list(map(sub, ends, begins)))

    def _count_nodes(self, run: Workers) -> None:
        """Count the nodes of a run in which not all ended well."""
        graph = run.plan.graph_id
        for i, (node, began, ended, state) in enumerate(
            zip(run.plan.ids, run.began, run.ended, run.state, strict=True)
        ):
            if began is not None:
                numbers = self._node(graph, node)
                _observe_all(numbers, [ended - began])
                if state == OK:
                    numbers[_OK] += 1
                    continue
            reason = run.trouble.get(i, ("",))[0]
            self._add((_OUTCOMES, graph, node, NAMES[state], reason or ""))

    def _node(self, graph: str, node: str) -> list[float]:
        nodes = self._nodes.setdefault(graph, {})
        numbers = nodes.get(node)
        if numbers is None:
            numbers = nodes[node] = [*_EMPTY, 0]
        return numbers

    def _breaker_changed(self, name: str, fields: Mapping[str, Any]) -> None:
        upstream, host = fields["upstream"], fields["host"]
        self._add((_COUNTED[name][0], upstream, host, fields["state"]))
        change = (fields["previous"] in _LETS_THROUGH) - (fields["state"] in _LETS_THROUGH)
        self._add((_NOT_CLOSED, upstream, host), change)

    def _lagged(self, _name: str, fields: Mapping[str, Any]) -> None:
        self._add((_LAG,), fields["seconds"])

    def _counter(self, family: str, _help: str, labels: tuple[str, ...]) -> Instrument:
        return lambda _name, fields: self._add((family, *(str(fields[label]) for label in labels)))


def _observe(all_series: dict[Any, list[float]], key: Any, seconds: float) -> None:
    numbers = all_series.get(key)
    if numbers is None:
        numbers = all_series[key] = list(_EMPTY)
    numbers[bisect_left(BOUNDS, seconds)] += 1
    numbers[_SUM] += seconds


def _observe_all(numbers: list[float], seconds: list[float]) -> None:
    """Add many values to a histogram."""
    numbers[_SUM] += sum(seconds)
    seconds.sort()
    below = 0
    for bucket, bound in enumerate(BOUNDS):
        upto = bisect_right(seconds, bound)
        numbers[bucket] += upto - below
        below = upto
    numbers[len(BOUNDS)] += len(seconds) - below


def _outcome(run: Workers) -> str:
    if not run.trouble:
        return "complete"
    if run.fatal:
        return "failed"
    if CANCELLED in run.state:
        return "cancelled"
    whole = all(run.state[i] == SKIPPED and reason is None for i, (reason, _) in run.trouble.items())
    return "complete" if whole else "partial"


def _address(url: str) -> tuple[str, str]:
    """Name and port of a host's URL; a path has no port."""
    host = Host.parse(url)
    return host.name, str(host.port or "")
