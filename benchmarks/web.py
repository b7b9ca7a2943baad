"""What a route that is a graph costs beside a plain Falcon resource: `make bench-web`.

Both return the same JSON, and both are called in this process as a server would call them (WSGI), so that no socket
and no HTTP parser is in the figures. Times are CPU time of this process.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import falcon
import gevent
import msgspec

from benchmarks.common import Bar, Cores, at_most, interleaved, median, per_call, pin, print_bars, print_table
from fastdag import App, Graph

BAR = 6.0
CALLS = 4_000

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def offer(id: str) -> dict[str, Any]:
    """What every contestant answers."""
    return {"id": id, "name": "Kettle", "price": 39.9, "tags": ["kitchen", "steel"]}


class Plain:
    """A resource as a Falcon user writes it: Falcon encodes what is put on `resp.media`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        resp.media = offer(id)


class PlainWithMsgspec:
    """The same with the encoder that fastdag uses."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        resp.data = msgspec.json.encode(offer(id))


def graph_app() -> WSGIApp:
    graph = Graph("product")

    @graph.node
    def product(context: Any) -> dict[str, Any]:
        return offer(context.path["id"])

    app = App()
    app.add_graph("/products/{id}", graph)
    return app


def plain_app(resource: object) -> WSGIApp:
    app = falcon.App()
    app.add_route("/products/{id}", resource)
    return app


ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/products/42",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "8000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "localhost:8000",
    "HTTP_ACCEPT": "*/*",
    "HTTP_USER_AGENT": "wrk",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def ask(app: WSGIApp) -> bytes:
    """One request, as a server makes it."""
    return b"".join(app({**ENVIRON, "wsgi.input": io.BytesIO()}, _discard))


def _discard(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
    if not status.startswith("200"):
        raise RuntimeError(f"the answer is {status}")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    rounds = options.parse_args().rounds
    pin(Cores.here().subject)
    warnings.filterwarnings("ignore", "the standard library is not patched", RuntimeWarning)
    apps: dict[str, WSGIApp] = {
        "plain Falcon, resp.media": plain_app(Plain()),
        "plain Falcon, msgspec": plain_app(PlainWithMsgspec()),
        "fastdag, one pure node": graph_app(),
    }
    wanted = msgspec.json.decode(ask(apps["plain Falcon, resp.media"]))
    for name, app in apps.items():
        if msgspec.json.decode(ask(app)) != wanted:
            raise RuntimeError(f"{name} answers something else")
    found = interleaved(
        {
            name: partial(per_call, partial(ask, app), calls=CALLS, clock=time.process_time)
            for name, app in apps.items()
        },
        rounds=rounds,
    )
    micros = {name: median(values) * 1e6 for name, values in found.items()}
    least = micros["plain Falcon, resp.media"]
    print_table(["", "µs per request", "×"], [[name, f"{µs:.1f}", f"{µs / least:.2f}"] for name, µs in micros.items()])
    bars: list[Bar] = [
        at_most("a graph route beside a plain Falcon resource", micros["fastdag, one pure node"] / least, BAR)
    ]
    return 0 if print_bars(bars) else 1


if __name__ == "__main__":
    # In a greenlet, as under a server: the loop then runs beside it.
    sys.exit(gevent.spawn(main).get())
