"""What is counted, as plain numbers of one process: a list entry and an addition per event, and nothing else.

Runs in which all nodes ended well, which is nearly all of them, are kept until there are some, and counted together,
node by node, for a fraction of the work.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from operator import sub
from typing import Any

from fastdag.events import Bare, Gathered, Instrument
from fastdag.ledger import CANCELLED, NAMES, OK, SKIPPED
from fastdag.observe.families import (
    ACTIVE,
    BOUNDS,
    CLIENT,
    COUNTED,
    LAG,
    LINES_DROPPED,
    METHODS,
    NODE,
    NOT_CLOSED,
    OTHER,
    OUTCOMES,
    RUN,
    SERVER,
)
from fastdag.observe.pump import Pump
from fastdag.plan import Plan
from fastdag.upstream.host import Host
from fastdag.upstream.policies.breaker import CLOSED, FORCED_CLOSED
from fastdag.workers import Workers

__all__ = ["Counts", "Key"]

# A histogram's numbers: a count for each bound, one for what is above them all, and the sum of all values. Those of a
# node are followed by the number of times that it ended well, as it nearly always does.
_EMPTY = (*(0 for _ in BOUNDS), 0, 0.0)
_SUM = len(BOUNDS) + 1
_OK = _SUM + 1

#: So many runs wait to be counted together: few enough for their times to be in the processor's cache still.
_TOGETHER = 32

#: A family's name and the values of its labels.
Key = tuple[str, ...]

# A run's plan, when its nodes began, when they ended, and how long it took.
_Waiting = tuple[Plan, list[Any], list[float], float]

_LETS_THROUGH = (CLOSED, FORCED_CLOSED)


class Counts:
    """The numbers of this process, by family and labels; `events` says what adds to them."""

    __slots__ = (
        "_attempts",
        "_attempts_ended",
        "_lost_before",
        "_nodes",
        "_numbers",
        "_requests",
        "_runs",
        "_started",
        "_waiting",
        "one_of_several",
    )

    def __init__(self) -> None:
        #: Whether the server has said that other processes serve the same (PEP 3333).
        self.one_of_several = False
        self._requests: dict[tuple[str, str, str, int], list[float]] = {}
        self._attempts: dict[tuple[str, str, str, int, str], list[float]] = {}
        self._attempts_ended = Gathered(self._count_attempts)
        self._runs: dict[tuple[str, str], list[float]] = {}
        self._nodes: dict[str, dict[str, list[float]]] = {}
        self._started: dict[tuple[str, str], int] = {}  # requests, by method and scheme
        self._numbers: dict[Key, float] = {}
        self._lost_before = Pump.dropped_in_all
        self._waiting: list[_Waiting] = []

    def events(self) -> dict[str, Instrument]:
        return {
            **{name: self._counter(*about) for name, about in COUNTED.items()},
            "request.started": Bare(self._request_started),
            "request.ended": Bare(self._request_ended),
            "run.ended": Bare(self._run_ended),
            "attempt.ended": self._attempts_ended,
            "breaker.changed": self._breaker_changed,
            "loop.lagged": self._lagged,
        }

    def items(self) -> Iterator[tuple[Key, list[float]]]:
        """Every series: its family and labels, and its numbers; a counter or gauge has one."""
        self._attempts_ended.hand_over()
        self._count_waiting()
        active: dict[tuple[str, str], float] = dict(self._started)
        for (method, scheme, route, status), numbers in self._requests.items():
            active[method, scheme] = active.get((method, scheme), 0) - sum(numbers[:_SUM])
            yield (SERVER, method, scheme, route, str(status), str(status) if status >= 500 else ""), numbers
        for of, number in active.items():
            yield (ACTIVE, *of), [number]
        for (upstream, url, method, status, reason), numbers in self._attempts.items():
            error = reason or (str(status) if status >= 400 else "")
            yield (CLIENT, upstream, *_address(url), method, str(status or ""), error), numbers
        for run, numbers in self._runs.items():
            yield (RUN, *run), numbers
        for graph, nodes in self._nodes.items():
            for id, numbers in nodes.items():
                yield (NODE, graph, id), numbers[:_OK]
                yield (OUTCOMES, graph, id, "ok", ""), numbers[_OK:]
        for key, number in self._numbers.items():
            yield key, [number]
        yield (LINES_DROPPED,), [Pump.dropped_in_all - self._lost_before]

    def clear(self) -> None:
        self._attempts_ended.hand_over()
        for numbers in (self._requests, self._attempts, self._runs, self._nodes, self._started, self._numbers):
            numbers.clear()
        self._waiting.clear()
        self._lost_before = Pump.dropped_in_all

    def _add(self, key: Key, number: float = 1) -> None:
        self._numbers[key] = self._numbers.get(key, 0) + number

    def _request_started(self, method: str, _path: str, _id: str, environ: Mapping[str, Any]) -> None:
        key = method if method in METHODS else OTHER, environ["wsgi.url_scheme"]
        number = self._started.get(key)
        if number is None:
            number, self.one_of_several = 0, bool(environ.get("wsgi.multiprocess"))
        self._started[key] = number + 1

    def _request_ended(
        self,
        method: str,
        _path: str,
        route: str,
        status: int,
        _id: str,
        _trace: str,
        elapsed: float,
        environ: Mapping[str, Any],
    ) -> None:
        if method not in METHODS:
            method = OTHER
        _observe(self._requests, (method, environ["wsgi.url_scheme"], route, status), elapsed)

    def _count_attempts(self, about: tuple[Any, ...], seconds: list[float]) -> None:
        upstream, host, method, _, status, reason = about
        key = (upstream, host, method if method in METHODS else OTHER, status, reason)
        _observe_all(self._attempts.setdefault(key, list(_EMPTY)), seconds)

    def _run_ended(self, graph: str, run: Workers, elapsed: float) -> None:
        if not run.trouble and run.state == run.plan.blank.all_ok:
            self._waiting.append((run.plan, run.began, run.ended, elapsed))
            if len(self._waiting) >= _TOGETHER:
                self._count_waiting()
        else:
            _observe(self._runs, (graph, _outcome(run)), elapsed)
            self._count_nodes(run)

    def _count_waiting(self) -> None:
        """Count all runs that wait and their nodes, those of the same plan together."""
        by_plan: dict[int, list[_Waiting]] = {}
        while self._waiting:
            try:
                waiting = self._waiting.pop()
            except IndexError:  # another thread has taken the last
                break
            by_plan.setdefault(id(waiting[0]), []).append(waiting)
        for runs in by_plan.values():
            plan = runs[0][0]
            whole = self._runs.setdefault((plan.graph_id, "complete"), list(_EMPTY))
            _observe_all(whole, [run[3] for run in runs])
            began, ended = (zip(*times, strict=True) for times in ([run[1] for run in runs], [run[2] for run in runs]))
            for node, begins, ends in zip(plan.ids, began, ended, strict=True):
                numbers = self._node(plan.graph_id, node)
                ok = len(ends)
                numbers[_OK] += ok
                _observe_all(numbers, list(map(sub, ends, begins)))

    def _count_nodes(self, run: Workers) -> None:
        """Count the nodes of a run in which not all ended well."""
        graph = run.plan.graph_id
        for i, (node, began, ended, state) in enumerate(
            zip(run.plan.ids, run.began, run.ended, run.state, strict=True)
        ):
            if began is not None and state != SKIPPED:  # one that was skipped only asked its `when`
                numbers = self._node(graph, node)
                _observe_all(numbers, [ended - began])
                if state == OK:
                    numbers[_OK] += 1
                    continue
            reason = run.trouble.get(i, ("",))[0]
            self._add((OUTCOMES, graph, node, NAMES[state], reason or ""))

    def _node(self, graph: str, node: str) -> list[float]:
        nodes = self._nodes.setdefault(graph, {})
        numbers = nodes.get(node)
        if numbers is None:
            numbers = nodes[node] = [*_EMPTY, 0]
        return numbers

    def _breaker_changed(self, name: str, fields: Mapping[str, Any]) -> None:
        upstream, host = fields["upstream"], fields["host"]
        self._add((COUNTED[name][0], upstream, host, fields["state"]))
        change = (fields["previous"] in _LETS_THROUGH) - (fields["state"] in _LETS_THROUGH)
        self._add((NOT_CLOSED, upstream, host), change)

    def _lagged(self, _name: str, fields: Mapping[str, Any]) -> None:
        self._add((LAG,), fields["seconds"])

    def _counter(self, family: str, _help: str, labels: tuple[str, ...]) -> Instrument:
        return lambda _name, fields: self._add((family, *(str(fields[label]) for label in labels)))


def _observe(all_series: dict[Any, list[float]], key: Any, seconds: float) -> None:
    numbers = all_series.get(key)
    if numbers is None:
        numbers = all_series[key] = list(_EMPTY)
    numbers[bisect_left(BOUNDS, seconds)] += 1
    numbers[_SUM] += seconds


def _observe_all(numbers: list[float], seconds: list[float]) -> None:
    """Add many values to a histogram. What is added is made before: no other thread adds something in between."""
    total = sum(seconds)
    numbers[_SUM] += total
    seconds.sort()
    below = 0
    for bucket, bound in enumerate(BOUNDS):
        upto = bisect_right(seconds, bound)
        numbers[bucket] += upto - below
        below = upto
        if below == len(seconds):  # nearly always after the first few
            return
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
