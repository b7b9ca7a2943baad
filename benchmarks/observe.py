"""What observers cost: a route of ten upstream calls with them and without: `make bench-observe`.

The app is called in this process as a server would call it (WSGI), so a server's own work, which is the same with and
without, is not in the figures: under one the shares are smaller. The upstream is nginx on another core. Times are CPU
time of this process.
"""

# ruff: noqa: E402 - everything else is imported after patching

from gevent import monkey

monkey.patch_all()

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.common import Children, Cores, at_most, interleaved, median, per_call, pin, print_bars, print_table
from benchmarks.upstream import CALLS, start_upstream
from benchmarks.web import WSGIApp, ask
from fastdag import App, Graph, Upstream
from fastdag.observe.log import Log
from fastdag.observe.metrics import Metrics
from fastdag.observe.timeline import Timeline
from fastdag.observe.trace import Tracing

BAR = 1.08
REQUESTS = 300
NOTHING, BOTH = "nothing installed", "metrics and timeline"


class Nowhere:
    """A log's stream that costs nothing."""

    def write(self, text: str) -> int:
        return len(text)


CONTESTANTS: dict[str, Callable[[], list[Any]]] = {
    NOTHING: list,
    "metrics": lambda: [Metrics()],
    "timeline": lambda: [Timeline()],
    BOTH: lambda: [Metrics(), Timeline()],
    "log": lambda: [Log(Nowhere(), form="json")],
    "traces, exported nowhere": lambda: [Tracing(TracerProvider())],
}


def app_with(observers: list[Any], url: str) -> WSGIApp:
    graph, parts = Graph("ten"), Upstream("parts", url)
    for number in range(CALLS):
        graph.fetch(f"part{number}", parts, f"/part/{number}")
    app = App(observe=observers)
    app.add_graph("/products/{id}", graph)
    return app


def measure(rounds: int) -> bool:
    with Children() as children:
        cores = Cores.here()
        _, url = start_upstream(children, core=cores.upstream)
        pin(cores.subject)
        apps = {name: app_with(observers(), url) for name, observers in CONTESTANTS.items()}
        wanted = ask(apps[NOTHING])
        for name, app in apps.items():
            if ask(app) != wanted:
                raise RuntimeError(f"{name} answers something else")
        found = interleaved(
            {
                name: partial(per_call, partial(ask, app), calls=REQUESTS, clock=time.process_time)
                for name, app in apps.items()
            },
            rounds=rounds,
        )
    micros = {name: median(values) * 1e6 for name, values in found.items()}
    least = micros[NOTHING]
    print_table(["", "µs per request", "×"], [[name, f"{µs:.1f}", f"{µs / least:.3f}"] for name, µs in micros.items()])
    return print_bars([at_most("metrics and timeline beside nothing", micros[BOTH] / least, BAR)])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    return 0 if gevent.spawn(measure, options.parse_args().rounds).get() else 1


if __name__ == "__main__":
    sys.exit(main())
