"""All cores beside one, and what of that the machine allows: the part `workers` of `benchmarks.versus`.

Upstream and load have to run somewhere, too, and where there are four cores in all they take them from the service.
So what the cores had left is computed from what was measured: what a request costs them beside what it costs the
service, and what strangers used meanwhile. The floor (`contestants/by_hand.py`), a process to itself on each core and
no socket shared, shows how much of that processes reach here that have nothing to do with each other.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.common import Bar, Child, at_least, ended_children, interleaved, median, print_table, wrk
from benchmarks.contestants.services import FLOOR, OWN
from benchmarks.processes import busy
from benchmarks.upstream import start_upstream

if TYPE_CHECKING:
    from benchmarks.versus import Bench

__all__ = ["workers"]

CONNECTIONS = 16  # for each worker

#: How often the rate of one worker four must have, where four cores are free for them.
WANTED = 3.2


@dataclass(frozen=True, slots=True)
class Team:
    """Processes that do the same work, each at its own address and asked over so many connections."""

    members: Sequence[tuple[Child, str]]
    connections: int

    def cpu(self) -> float:
        return sum(child.cpu() for child, _ in self.members)


@dataclass(frozen=True, slots=True)
class Used:
    """One round: requests per second, errors, and how many cores each had: the service, its helpers, and strangers."""

    rps: float
    errors: int
    service: float
    helpers: float
    strangers: float


def workers(bench: Bench) -> list[Bar]:
    """Workers on all cores beside one worker on one core."""
    count = min(4, len(bench.cores.all))
    if count < 2:
        print("several workers are left out: there is only one core")
        return []
    every, one = bench.cores.all, bench.cores.subject
    asked, url = start_upstream(bench.children, core=every, processes=count)
    start = partial(bench.start, upstream=url)
    teams = {
        f"{OWN}: 1": Team(list(start([OWN], core=one).values()), CONNECTIONS),
        f"{OWN}: {count}": Team(list(start([OWN], core=every, workers=count).values()), CONNECTIONS * count),
        f"{FLOOR}: 1": Team(list(start([FLOOR], core=one).values()), CONNECTIONS),
        f"{FLOOR}: {count}": Team(
            [found for core in every[:count] for found in start([FLOOR], core=core).values()], CONNECTIONS
        ),
    }
    for name, team in teams.items():
        if not team.members:
            print(f"several workers are left out: {name} does not run")
            return []
        _load(bench, team, 1)  # opens the pools, warms the caches
    rounds = {name: partial(_round, bench, asked, team) for name, team in teams.items()}
    found = interleaved(rounds, rounds=bench.rounds)
    for child, _ in (running for team in teams.values() for running in team.members):
        bench.children.end(child)
    bench.children.end(asked)
    print_table(
        ["", "requests/s", "cores: service", "upstream and load", "strangers", "errors"],
        [
            [name, f"{median(each.rps for each in values):.0f}"]
            + [f"{median(getattr(each, what) for each in values):.2f}" for what in ("service", "helpers", "strangers")]
            + [sum(each.errors for each in values)]
            for name, values in found.items()
        ],
    )
    return _judge(found, count)


def _judge(found: dict[str, list[Used]], count: int) -> list[Bar]:
    ratio, possible = {}, {}
    for who in (OWN, FLOOR):
        pairs = list(zip(found[f"{who}: 1"], found[f"{who}: {count}"], strict=True))
        ratio[who] = median(many.rps / one.rps for one, many in pairs)
        possible[who] = median(_possible(one, many, count) for one, many in pairs)
        print(f"{who}: {ratio[who]:.2f} × with {count}; what the cores had left would do for {possible[who]:.2f} ×")
    allowed = possible[OWN] * min(1.0, ratio[FLOOR] / possible[FLOOR])
    print(f"Where separate processes reach what the floor does, the machine allows {allowed:.2f} ×.\n", flush=True)
    return [at_least(f"{count} workers beside 1", ratio[OWN], min(WANTED, 0.9 * allowed))]


def _possible(one: Used, many: Used, count: int) -> float:
    """How often the rate of one: a request costs the service what it cost one, and the helpers what it costs now."""
    service, helpers = one.service / one.rps, many.helpers / many.rps
    return (count - many.strangers) / (service + helpers) / one.rps


def _load(bench: Bench, team: Team, seconds: float) -> tuple[float, int]:
    """All members of a team asked at once; requests per second and errors in all."""
    ask = partial(wrk, core=bench.cores.all, seconds=seconds, connections=team.connections)
    with ThreadPoolExecutor(len(team.members)) as pool:
        loads = list(pool.map(ask, [url for _, url in team.members]))
    return sum(load.rps for load in loads), sum(load.errors for load in loads)


def _round(bench: Bench, asked: Child, team: Team) -> Used:
    before = time.monotonic(), team.cpu(), asked.cpu() + ended_children(), busy()
    rps, errors = _load(bench, team, bench.seconds)
    after = time.monotonic(), team.cpu(), asked.cpu() + ended_children(), busy()
    seconds, own, helpers, everybody = (end - start for start, end in zip(before, after, strict=True))
    return Used(rps, errors, own / seconds, helpers / seconds, max(0.0, everybody - own - helpers) / seconds)
