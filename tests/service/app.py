"""The service of the fault catalogue (FAULTS.md, "Fixture"), and what a test may ask its worker.

`shell` is the program that gunicorn serves. It passes requests on to a fastdag app, which `POST /_build` makes anew,
with new upstreams, so that every case starts with closed breakers, full budgets and empty caches, and has the options
it wants; `/_close` closes its upstreams. `/_gauges` says what is going on in the worker, beside the app.
"""

from __future__ import annotations

import gc
import json
import os
import time
from typing import Any

import gevent
from greenlet import greenlet

from fastdag import App, Breaker, Bulkhead, Cache, Graph, Hedge, Retry, Upstream
from fastdag.concurrency import crew

POLICIES = {"retry": Retry, "hedge": Hedge, "breaker": Breaker, "bulkhead": Bulkhead, "cache": Cache}

#: The catalogue's test settings, with the breaker's times a fifth of theirs, and with time enough that a machine that
#: pauses for a moment fails nothing.
USUAL: dict[str, Any] = {
    "attempt_timeout": 3.0,
    "connect_timeout": 3.0,
    "retry": {},
    "breaker": {"open": 0.4, "max_open": 1.0},
    "bulkhead": {"limit": 8, "queue": 8, "wait": 3.0},
}
TIMEOUT, PART = 5.0, 2.0

#: The catalogue's times: `hasty=True`, for cases that are about a time-out.
HASTY = {"attempt_timeout": 0.4, "connect_timeout": 0.2, "bulkhead": {"limit": 8, "queue": 8}}
HASTY_TIMEOUT, HASTY_PART = 1.0, 0.2

STALE = {"ttl": 0.05, "stale_if_error": 60}


def upstream(name: str, settings: dict[str, Any], **own: Any) -> Upstream:
    times = HASTY if settings.get("hasty") else {}
    said = {**USUAL, **times, **own, **settings.get("all", {}), **settings.get(name, {})}
    options = {
        key: POLICIES[key](**value) if key in POLICIES and isinstance(value, dict) else value
        for key, value in said.items()
    }
    return Upstream(name, options.pop("url", settings["url"]), **options)


def solo(one: Upstream, settings: dict[str, Any]) -> Graph:
    graph = Graph("solo")
    graph.fetch("thing", one, "/solo/{path.id}", forward_headers=("authorization",), relay=settings.get("relay", ()))
    return graph


def page(one: Upstream, two: Upstream, part: float) -> Graph:
    # What matters most is never dropped under pressure: what a pause of the machine costs is not tested here.
    spared: dict[str, Any] = {"optional": True, "criticality": 1}
    graph = Graph("page")
    graph.fetch("user", one, "/user/{path.id}", output="user")
    graph.fetch("detail", one, "/detail/{user.id}", output="detail")
    graph.fetch("recs", two, "/recs/{path.id}", output="recs", timeout=part, **spared)
    graph.fetch("price", two, "/price/{path.id}", output="price", cache=Cache(**STALE), **spared)
    return graph


def order(one: Upstream) -> Graph:
    graph = Graph("order")
    graph.fetch("charge", one, "/charge/{path.id}", method="POST", json={"order": "{path.id}"})
    return graph


def fan(one: Upstream) -> Graph:
    graph = Graph("fan")

    @graph.node(output=False)
    def numbers(context: Any) -> list[str]:
        return [str(number) for number in range(int(context.path["n"]))]

    graph.fetch("items", one, "/item/{item}", each="numbers", output="items")
    return graph


def cached(kept: Upstream) -> Graph:
    graph = Graph("cached")
    graph.fetch("answer", kept, "/cached/{path.k}", return_headers={"Age": "last", "Cache-Status": "last"})
    return graph


def nested(one: Upstream) -> Graph:
    inner, graph = Graph("inner"), Graph("nested")
    inner.fetch("thing", one, "/solo/{path.id}")

    @graph.node
    def outer(context: Any) -> Any:
        return inner.run(context).merged

    return graph


def tokens(echo: Upstream) -> Graph:
    graph = Graph("echo")
    graph.fetch("token", echo, "/echo/{path.token}", decode="text", output="token")
    return graph


class Service:
    """One app and its upstreams: `one` and `two` of the catalogue, `kept` with a cache, `echo` without policies."""

    def __init__(self, settings: dict[str, Any]) -> None:
        one = upstream("one", settings)
        two = upstream("two", settings)
        kept = upstream("kept", settings, cache={"ttl": 60}, forward_headers=("authorization", "x-tenant"))
        echo = upstream("echo", settings, retry=None, breaker=None, bulkhead=None, attempt_timeout=5.0)
        self.upstreams = {"one": one, "two": two, "kept": kept, "echo": echo}
        self.app = App(max_in_flight=settings.get("admission", 32), trusted=settings.get("trusted", ()))
        hasty = settings.get("hasty")
        timeout = settings.get("timeout", HASTY_TIMEOUT if hasty else TIMEOUT)
        part = settings.get("part", HASTY_PART if hasty else PART)
        self.app.add_graph("/solo/{id}", solo(one, settings), timeout=timeout)
        self.app.add_graph("/page/{id}", page(one, two, part), timeout=timeout)
        self.app.add_graph("/order/{id}", order(one), methods=("POST",), timeout=timeout)
        self.app.add_graph("/fan/{n}", fan(one), timeout=timeout)
        self.app.add_graph("/cached/{k}", cached(kept), timeout=timeout)
        self.app.add_graph("/nested/{id}", nested(one), timeout=timeout)
        self.app.add_graph("/echo/{token}", tokens(echo), timeout=5.0)

    def close(self) -> None:
        for one in self.upstreams.values():
            one.close()


class Heart:
    """Beats every 10 ms, and notes by how much CPU time of the process its beats were kept apart.

    Not by how much time: on a busy machine that says more about others.
    """

    def __init__(self) -> None:
        self.longest = 0.0

    def beat(self) -> None:
        while True:
            before = time.process_time()
            gevent.sleep(0.01)
            self.longest = max(self.longest, time.process_time() - before)


class Shell:
    def __init__(self) -> None:
        self.service: Service | None = None
        self.heart = Heart()
        self.worker: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == "/_close":
            assert self.service is not None
            self.service.close()
        elif path == "/_build":
            self.service = Service(json.loads(environ["wsgi.input"].read()))
        elif path != "/_gauges":
            assert self.service is not None
            return self.service.app(environ, start_response)
        body = json.dumps(self.gauges()).encode()
        self.heart.longest = 0.0
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def gauges(self) -> dict[str, Any]:
        assert self.service is not None
        stacks = {name: one.stack for name, one in self.service.upstreams.items()}
        layers = {
            name: {layer["name"]: layer["state"] for layer in stack.describe()["layers"]}
            for name, stack in stacks.items()
        }
        return {
            "pid": os.getpid(),
            "greenlets": _greenlets(),
            "fds": len(os.listdir("/proc/self/fd")),
            "rss": int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            "connections": {name: repr(stack.site.transport) for name, stack in stacks.items()},
            "layers": layers,
            "budget": {name: stack.describe()["budget"] for name, stack in stacks.items()},
            "in_flight": self.service.app.in_flight,
            "heart": self.heart.longest,
        }


def _greenlets() -> int:
    """How many live that are not waiting to be used again; those that native threads have as their first aside."""
    living = sum(
        isinstance(found, greenlet) and bool(found) and found.parent is not None for found in gc.get_objects()
    )
    return living - len(crew()._idle)


shell = Shell()


def post_worker_init(worker: Any) -> None:
    """gunicorn's hook: in the worker process, before its first request."""
    shell.worker = worker
    gevent.spawn(shell.heart.beat)
