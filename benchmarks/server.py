"""Hello-world through Falcon, on one core, beside other servers: `make bench-server`.

All serve the same Falcon resource on a kept connection per user, without an access log, pinned to one core; wrk asks
from another one. The servers stay up and take turns in short rounds; the one that is measured has its core to itself,
since the others wait for connections.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from functools import partial

from benchmarks.common import (
    Child,
    Children,
    Cores,
    Load,
    at_least,
    free_port,
    interleaved,
    median,
    print_bars,
    print_table,
    unlimited_files,
    wrk,
)

OURS, STOCK = "fastdag.server", "gunicorn gevent"

Command = Callable[[int], list[str]]


def gunicorn(worker: str) -> Command:
    settings = "benchmarks/contestants/gunicorn_settings.py"
    return lambda port: [
        *(sys.executable, "-m", "gunicorn", "-c", settings, "--worker-class", worker, "--bind", f"127.0.0.1:{port}"),
        "benchmarks.contestants.hello:wsgi",
    ]


def module(name: str, *arguments: str) -> Command:
    return lambda port: [sys.executable, "-m", name, *(each.format(port=port) for each in arguments)]


#: name: (the package it needs, how it is started)
CONTESTANTS: dict[str, tuple[str, Command]] = {
    OURS: ("gunicorn_h1c", gunicorn("fastdag.server.GeventWorker")),
    STOCK: ("gunicorn_h1c", gunicorn("gevent")),
    "gevent.pywsgi": ("gevent", module("benchmarks.contestants.hello", "{port}")),
    "uvicorn (ASGI, uvloop)": (
        "uvicorn",
        module(
            "uvicorn",
            *("benchmarks.contestants.hello:asgi", "--port", "{port}", "--no-access-log", "--log-level", "warning"),
        ),
    ),
    "granian (WSGI)": (
        "granian",
        module(
            "granian",
            *("--interface", "wsgi", "--port", "{port}", "--no-ws", "--log-level", "warning"),
            "benchmarks.contestants.hello:wsgi",
        ),
    ),
}


def measure(child: Child, ask: Callable[[], Load]) -> tuple[Load, float]:
    """One round, and the seconds of CPU that a request cost: those do not depend on who else uses the core."""
    before = child.cpu()
    load = ask()
    return load, (child.cpu() - before) / max(load.requests, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each round and contestant")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), help="contestants by name")
    options = parser.parse_args()
    unlimited_files()
    cores = Cores.here()
    print(f"{cores}; {options.connections} connections, {options.rounds} rounds of {options.seconds:g} s\n")
    with Children() as children:
        running: dict[str, Callable[[], tuple[Load, float]]] = {}
        for name in options.only:
            package, command = CONTESTANTS[name]
            if importlib.util.find_spec(package) is None:
                print(f"{name} is left out: {package} is not installed")
                continue
            port = free_port()
            worker = {"WORKER_CLASS": "gevent"}  # the settings want one; the command line decides
            child = children.start(
                command(port), core=cores.subject, port=port, name=f"server-{package}-{port}", env=worker
            )
            ask = partial(wrk, f"http://127.0.0.1:{port}/", core=cores.load, connections=options.connections)
            ask(seconds=1)
            running[name] = partial(measure, child, partial(ask, seconds=options.seconds))
        measured = interleaved(running, rounds=options.rounds)
    found = {name: [load for load, _ in values] for name, values in measured.items()}
    if any(load.errors for loads in found.values() for load in loads):
        print("some answers were errors:", {name: sum(load.errors for load in loads) for name, loads in found.items()})
        return 1
    rates = {name: median(load.rps for load in loads) for name, loads in found.items()}
    print_table(
        ["hello-world through Falcon", "requests per second", "CPU µs each", "p50 ms", "p99 ms", f"beside {STOCK}"],
        [
            [
                name,
                f"{rate:.0f}",
                f"{median(cpu for _, cpu in measured[name]) * 1e6:.0f}",
                f"{median(load.p50 for load in found[name]) * 1e3:.2f}",
                f"{median(load.p99 for load in found[name]) * 1e3:.2f}",
                f"{rate / rates[STOCK]:.2f} ×" if STOCK in rates else "-",
            ]
            for name, rate in rates.items()
        ],
    )
    if not {OURS, STOCK} <= set(rates):
        return 0
    # Round by round, so that a busy moment of the machine hurts both. And once more by what they used: others on the
    # core, or on that of the load, hurt whoever is faster the most.
    rounds = list(zip(measured[OURS], measured[STOCK], strict=True))
    answered = median(ours.rps / stock.rps for (ours, _), (stock, _) in rounds)
    used = median(stock / ours for (_, ours), (_, stock) in rounds)
    bars = [
        at_least(f"{OURS}, beside {STOCK}", answered, 3, goal=4),
        at_least("the same, per second of CPU", used, 3, goal=4),
    ]
    return 0 if print_bars(bars) else 1


if __name__ == "__main__":
    sys.exit(main())
