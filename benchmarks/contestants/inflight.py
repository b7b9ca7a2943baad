"""Resident memory per run in flight, ten nodes of it blocked; its arguments are a contestant and the number of runs.

Printed in bytes by a process of its own, because memory that an earlier measurement gave back would be used again.
tracemalloc is no help: it does not see the stacks of greenlets, which are most of it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from benchmarks.common import PAGE
from fastdag import Graph

__all__ = ["CONTESTANTS"]

NODES = 10
Run = Callable[[], Any]


def fastdag(block: Callable[[], Any]) -> Run:
    graph = Graph("blocked", timeout=600)
    for number in range(NODES):
        graph.node(id=f"n{number}", output=f"n{number}")(lambda context: block())
    return lambda: graph.run(None)


def by_hand(block: Callable[[], Any]) -> Run:
    def run() -> dict[str, Any]:
        calls = {f"n{number}": gevent.spawn(block) for number in range(NODES)}
        gevent.joinall(list(calls.values()))
        return {name: call.value for name, call in calls.items()}

    return run


CONTESTANTS = {"fastdag": fastdag, "hand-written gevent": by_hand}


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def measure(contestant: str, runs: int) -> float:
    """Bytes that one more run in flight costs."""
    gate = Event()
    blocked = 0

    def block() -> int:
        nonlocal blocked
        blocked += 1
        gate.wait()
        return blocked

    run = CONTESTANTS[contestant](block)
    first = [gevent.spawn(run) for _ in range(10)]  # what only a first run allocates
    gevent.idle()
    before, blocked = resident(), 0
    flying = [gevent.spawn(run) for _ in range(runs)]
    while blocked < runs * NODES:
        gevent.idle()
    used = (resident() - before) / runs
    gate.set()
    gevent.joinall(first + flying, raise_error=True)
    return used


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2])))
