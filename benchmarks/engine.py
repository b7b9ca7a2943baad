"""What running a graph costs, beside Hamilton, gevent and direct calls: `make bench-engine`.

Times of pure work are CPU time of this process, so that other work on the machine does not count; garbage collection
is off while a figure is taken, as in timeit. The standard library stays unpatched: nothing here waits through it, and
asyncio, which one of the contestants runs on, should not run on gevent's sockets.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import timeit
import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import gevent

from benchmarks.common import (
    ROOT,
    Bar,
    Cores,
    at_least,
    at_most,
    collected,
    interleaved,
    median,
    per_call,
    pin,
    print_bars,
    print_table,
)
from benchmarks.contestants import inflight
from benchmarks.contestants.layers import CONTESTANTS, Layers
from fastdag import Graph, Node

LAYERS, WIDTH = 20, 10
BLOCKED, SECONDS = 200, 0.05
SIZES = (1_000, 100_000)
COMPILED = 10_000
IN_FLIGHT = 1_000


class Sum(Node):
    """A pure class node, for graphs too large to give every node a function of its own."""

    def load(self, context: int, *values: int) -> int:
        return (context + sum(values)) % 1_000  # or it would double with every layer


def pure(rounds: int) -> list[Bar]:
    """The contestants on the same layers, per node."""
    layers = Layers(LAYERS, WIDTH)
    contestants: dict[str, Callable[[], float]] = {}
    for name, prepare in CONTESTANTS.items():
        try:
            run = prepare(layers)
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        data = run()
        if {each: data[each] for each in layers.last} != layers.expected():
            raise AssertionError(f"{name} gives something else")
        calls = max(1, round(0.1 / per_call(run, calls=3)))
        contestants[name] = partial(per_call, run, calls=calls, clock=time.process_time)
    nodes = LAYERS * WIDTH
    times = {name: median(found) / nodes for name, found in interleaved(contestants, rounds=rounds).items()}
    direct, ours = times["direct calls"], times["fastdag"]
    print(f"{nodes} pure nodes in {LAYERS} layers, two parents each")
    print_table(
        ["", "µs per node", "beside a direct call", "beside fastdag"],
        [
            [name, f"{seconds * 1e6:.2f}", f"{seconds / direct:.1f} ×", f"{seconds / ours:.2f} ×"]
            for name, seconds in times.items()
        ],
    )
    bars = [at_most("a pure node, beside a direct call", ours / direct, 15)]
    if "Hamilton" in times:
        bars.append(at_least("Hamilton, beside fastdag", times["Hamilton"] / ours, 6))
    return bars


def single(rounds: int) -> list[Bar]:
    """A run of one pure node beside one direct call."""
    layers = Layers(1, 1)
    (function,) = layers.functions.values()
    graph = Graph("one")
    graph.node(function)
    graph.compile()

    def timed(statement: str, calls: int) -> Callable[[], float]:
        names = {"function": function, "graph": graph}
        timer = timeit.Timer(statement, globals=names, timer=time.process_time)
        return lambda: timer.timeit(calls) / calls

    # Both take some milliseconds in a round, and there are many rounds: what disturbs one disturbs the other.
    found = interleaved({"call": timed("function(1)", 100_000), "run": timed("graph.run(1)", 500)}, rounds=20 * rounds)
    call, run = median(found["call"]), median(found["run"])
    print(f"one direct call {call * 1e9:.0f} ns, a run of one pure node {run * 1e6:.2f} µs\n")
    ratio = median(run / call for run, call in zip(found["run"], found["call"], strict=True))
    return [at_most("a run of one pure node, in direct calls, of each round", ratio, 250)]


def blocking(rounds: int) -> list[Bar]:
    """Nodes that all wait at the same time: the run's wall time."""
    graph = Graph("blocked")
    for number in range(BLOCKED):
        graph.node(id=f"n{number}", output=False)(lambda context: gevent.sleep(SECONDS))
    found = interleaved({"run": lambda: per_call(lambda: graph.run(None), calls=1)}, rounds=rounds)
    wall = median(found["run"]) * 1e3
    return [at_most(f"{BLOCKED} nodes that block {SECONDS * 1e3:g} ms: the run", wall, 80, "ms")]


def sizes(rounds: int) -> list[Bar]:
    """Small and large graphs, long and wide: the time per node must not depend on how many there are."""
    shapes = {"chain": _chain, "layers of 10": _layers}
    contestants: dict[str, Callable[[], float]] = {}
    for shape, build in shapes.items():
        for size in SIZES:
            graph = build(size)
            graph.compile()
            # The default timeout is meant for a request, not for 100,000 nodes.
            run = partial(graph.run, 1, timeout=60)
            calls = max(SIZES) // size
            contestants[f"{shape}, {size:,}"] = partial(per_call, run, calls=calls, clock=time.process_time)
    found = interleaved(contestants, rounds=rounds)
    times = {name: median(values) / int(name.rpartition(" ")[2].replace(",", "")) for name, values in found.items()}
    print_table(["nodes", "µs per node"], [[name, f"{seconds * 1e6:.2f}"] for name, seconds in times.items()])
    bars = []
    for shape in shapes:
        small, large = (times[f"{shape}, {size:,}"] for size in SIZES)
        ratio = max(small, large) / min(small, large)
        bars.append(at_most(f"{shape}: {SIZES[0]:,} nodes beside {SIZES[1]:,}, per node", ratio, 1.5))
    return bars


def _chain(size: int) -> Graph:
    graph = Graph("chain", timeout=60)
    nodes = [Sum(f"n{number}") for number in range(size)]
    for parent, child in pairwise(nodes):
        child.add_parent(parent)
    graph.add_root(nodes[0])
    return graph


def _layers(size: int) -> Graph:
    graph = Graph("layers", timeout=60)
    nodes = [Sum(f"n{number}") for number in range(size)]
    for number, node in enumerate(nodes):
        if number < WIDTH:
            graph.add_root(node)
            continue
        above = (number // WIDTH - 1) * WIDTH
        for place in (number % WIDTH, (number + 3) % WIDTH):
            node.add_parent(nodes[above + place])
    return graph


def compiling(rounds: int) -> list[Bar]:
    """Function nodes, whose signatures have to be read, in layers."""
    layers = Layers(COMPILED // WIDTH, WIDTH)

    def once() -> tuple[float, float]:
        graph = Graph("compiled")
        with collected():
            start = time.process_time()
            for function in layers.functions.values():
                graph.node(function)
            declared = time.process_time()
            graph.compile()
            return declared - start, time.process_time() - declared

    found = interleaved({"compile": once}, rounds=rounds)["compile"]
    print(f"declaring {COMPILED:,} nodes: {median(declare for declare, _ in found):.2f} s\n")
    return [at_most(f"compiling {COMPILED:,} nodes", median(compiled for _, compiled in found), 0.5, "s")]


def memory(rounds: int) -> list[Bar]:
    """Resident memory per run in flight."""
    found = interleaved({name: partial(_in_flight, name) for name in inflight.CONTESTANTS}, rounds=min(rounds, 3))
    return [
        at_most(
            f"memory per run in flight, {inflight.NODES} nodes blocked: {name}", median(values) / 1024, None, "KiB"
        )
        for name, values in found.items()
    ]


def _in_flight(name: str) -> float:
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", inflight.__name__, name, str(IN_FLIGHT)]
    return float(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=120).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    warnings.filterwarnings("ignore", "the standard library is not patched", RuntimeWarning)
    cores = Cores.here()
    pin(cores.subject)
    print(f"Python {sys.version.split()[0]}, gevent {gevent.__version__}; core {cores.subject}, {rounds} rounds\n")
    bars: list[Bar] = []
    for part in (pure, single, blocking, sizes, compiling, memory):
        # In a greenlet, as under a server; the main one has a hub to itself.
        bars += gevent.spawn(part, rounds).get()
    sys.exit(not print_bars(bars))


if __name__ == "__main__":
    main()
