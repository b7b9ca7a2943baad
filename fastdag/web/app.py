"""The app: a `falcon.App` whose routes can be graphs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any, Unpack

import falcon

from fastdag.events import Instruments
from fastdag.graph import Graph
from fastdag.observe.install import Observer, Observers
from fastdag.web import problem
from fastdag.web.bugs import log_bug
from fastdag.web.guard import SHED, Guard, serialize
from fastdag.web.health import HEALTH_PATHS, Live, Ready
from fastdag.web.lifecycle import Hook, Lifecycle, hooks
from fastdag.web.ops import Description, Desk, Numbers, Reference
from fastdag.web.panel.panel import with_panel
from fastdag.web.request import request_id
from fastdag.web.resource import GraphResource, RouteOptions, Site
from fastdag.web.stream import FRAMES
from fastdag.web.told import Told
from fastdag.web.trust import Trust

__all__ = ["App"]


class App(falcon.App[falcon.Request, falcon.Response]):
    """A Falcon app: everything Falcon does still works. `add_graph` binds a route to a graph.

        app = App()
        app.add_graph("/products/{id}", page)

    - `max_in_flight`: requests answered at once; more get 503 with `Retry-After`. `None`: no limit.
    - `max_request_bytes`: larger bodies get 413, before they are read where they announce their size.
    - `trusted`: addresses and networks of peers whose `X-Forwarded-For` and deadline header are believed.
    - `deadline_header`: the header in which a trusted peer says how many seconds are left.
    - `expose_errors`: texts and tracebacks in error answers, for a developer's own machine only.
    - `ops`: `True` serves `/openapi.json` and a page made of it, `/_fastdag/docs`, beside the routes; `/metrics`
      where an observer has numbers; and the panel, `/_fastdag/`: on this very machine, or for who has the token that
      `observe=[Panel(token=...)]` sets. `"127.0.0.1:9100"` serves all of it there, in every worker, and not beside
      the routes.
    - `observe`: observers, such as `Log()`, `Metrics()` and `Timeline()`; they are installed on the app, on its graphs
      and on the upstreams that those fetch from. `app.observers.watch(upstream)` adds one that only a function calls.
    - `title`, `version`: of the API, for its description.
    - `on_start`, `on_stop`: functions without arguments, called once per process; see `start`.
    - everything else goes to `falcon.App`, such as `middleware=` and `cors_enable=`.
    """

    def __init__(
        self,
        *,
        max_in_flight: int | None = 256,
        max_request_bytes: int = 1 << 20,
        trusted: Iterable[str] = (),
        deadline_header: str = "Fastdag-Deadline",
        expose_errors: bool = False,
        ops: bool | str = False,
        observe: Iterable[Observer] = (),
        title: str = "API",
        version: str = "1",
        on_start: Hook | Iterable[Hook] | None = None,
        on_stop: Hook | Iterable[Hook] | None = None,
        middleware: Any = (),
        **falcon_options: Any,
    ) -> None:
        self.site = Site(
            Trust(trusted, deadline_header=deadline_header),
            max_request_bytes=_count("max_request_bytes", max_request_bytes),
            expose_errors=expose_errors,
        )
        self.instruments = Instruments()
        self.observers = Observers(with_panel(observe) if ops else observe)
        self.observers.watch(self)
        #: Requests that are being answered now.
        self.in_flight = 0
        #: What answers, by path and method; for tools that show what there is.
        self.graph_routes: dict[str, dict[str, GraphResource]] = {}
        self._max_in_flight = math.inf if max_in_flight is None else _count("max_in_flight", max_in_flight)
        #: What operators look at, if that has an address of its own.
        self.desk = None if isinstance(ops, bool) else Desk(ops)
        starts, stops = ((self.desk.start,), (self.desk.stop,)) if self.desk else ((), ())
        self._lifecycle = Lifecycle(
            (self._start_observers, *starts, *hooks("on_start", on_start)),
            (self.observers.stop, *stops, *hooks("on_stop", on_stop)),
            drain=self._drain_sinks,
        )
        # First on the way in and last on the way out.
        guard = Guard(self._lifecycle, self.instruments)
        users = middleware if isinstance(middleware, Iterable) else (middleware,)
        super().__init__(middleware=[guard, *users], **falcon_options)
        self.site.handled.clear()  # Falcon's own
        self._falcon: Callable[..., Iterable[bytes]] = super().__call__
        self._told = Told(self._falcon, self.instruments)
        self.set_error_serializer(serialize)
        super().add_error_handler(Exception, self._bug)
        self.add_route(HEALTH_PATHS[0], Live())
        self.add_route(HEALTH_PATHS[1], Ready(self._lifecycle))
        self._description = Description(self.graph_routes, title=title, version=version)
        if self.desk is not None:
            self._add_ops(self.desk.app)
        elif ops:
            self._add_ops(self)

    def __call__(self, env: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (WSGI, PEP 3333), in contextvars of its own."""
        if self.in_flight >= self._max_in_flight:
            env[SHED] = True
        self.in_flight += 1
        try:
            answer = self._told if "request" in self.instruments.heard else self._falcon
            body = copy_context().run(answer, env, start_response)
        except BaseException:
            self.in_flight -= 1
            raise
        frames = env.get(FRAMES)
        if frames is None:
            self.in_flight -= 1
        else:
            frames.on_close(self._leave)
            if body is not frames:  # something went wrong after it was made
                frames.close()
        return body

    def _add_ops(self, app: falcon.App[Any, Any]) -> None:
        app.add_route("/openapi.json", self._description)
        app.add_route("/_fastdag/docs", Reference(self._description))
        for exposition in self.observers.having("exposition"):
            app.add_route("/metrics", Numbers(exposition))
        for mount in self.observers.having("mount"):
            mount(self, self._lifecycle, app)

    def _leave(self) -> None:
        self.in_flight -= 1

    def add_error_handler(self, exception: Any, handler: Any = None) -> None:
        """As in Falcon, and for what required nodes raise: handlers get that, or the `NodeError` if theirs."""
        super().add_error_handler(exception, handler)
        self.site.handled.extend(exception if isinstance(exception, Iterable) else (exception,))

    def add_graph(
        self,
        path: str,
        graph: Graph,
        methods: Iterable[str] = ("GET",),
        **options: Unpack[RouteOptions],
    ) -> None:
        """Answer a route with a graph; another call may bind other methods of the same path to another graph.

            app.add_graph("/products/{id}", page)
            app.add_graph("/orders", order, methods=("POST",), timeout=3.0)

        `path` is a Falcon template: `{id}`, `{id:int}`. The options are those of `GraphResource`. The graph is
        compiled, so a broken one is refused here, with `GraphError`. A path and method bound twice is a `ValueError`.
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"a route's path starts with a slash: {f'/{path}'!r}, not {path!r}")
        resource = GraphResource(graph, methods=methods, site=self.site, **options)
        bound = self.graph_routes.get(path, {})
        twice = [method for method in resource.methods if method in bound]
        if twice:
            raise ValueError(f"{', '.join(twice)} {path} is bound to graph {bound[twice[0]].graph.id!r} already")
        bound = {**bound, **dict.fromkeys(resource.methods, resource)}
        self.add_route(path, _Methods(bound))
        self.graph_routes[path] = bound
        self.observers.watch(graph)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document of the routes that are graphs."""
        return self._description.document()

    def start(self, *, alive: Callable[[], bool] | None = None) -> None:
        """Run the start hooks, once per process: call it in the worker (gunicorn's `post_worker_init`).

        Without that the first request runs them. A hook that raises leaves the app unstarted. `alive` says whether the
        process goes on, for servers that do not call `drain` (fastdag's own worker does): `lambda: worker.alive`.
        """
        self._lifecycle.start(alive)

    def drain(self) -> None:
        """Say 503 at `/readyz` from now on, and answer everything else: the process is about to stop."""
        self._lifecycle.drain()

    def _graphs(self) -> set[Graph]:
        return {resource.graph for methods in self.graph_routes.values() for resource in methods.values()}

    def _start_observers(self) -> None:
        self.observers.watch(*self._graphs())  # once more: nodes may have been added since
        self.observers.start()

    def _drain_sinks(self) -> None:
        for graph in self._graphs():
            graph.drain()

    def stop(self) -> None:
        """Run the stop hooks, once: call it when the worker ends (gunicorn's `worker_exit`). `atexit` does so, too."""
        self._lifecycle.stop()

    def _bug(self, req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
        log_bug(f"{req.method} {req.path} raised, request {request_id(req.env)}", error)
        raise problem.of_bug(error, expose=self.site.expose_errors)


class _Methods:
    """A Falcon resource: which method of a path is answered by which graph."""

    def __init__(self, bound: dict[str, GraphResource]) -> None:
        for method, resource in bound.items():
            setattr(self, f"on_{method.lower()}", resource.respond)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a positive whole number, not {value!r}")
    return value
