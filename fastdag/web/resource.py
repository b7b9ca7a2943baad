"""One route: a request comes in, a graph runs, its merged outputs go out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import falcon

from fastdag import deadline
from fastdag.errors import EncodeError, NodeError, Relayed, UnknownOutput
from fastdag.graph import Graph
from fastdag.observe.timing import server_timing
from fastdag.result import Result
from fastdag.shape.encode import encode_output
from fastdag.watch import OnOutput
from fastdag.web import body as bodies
from fastdag.web import caching, fields, parts, problem
from fastdag.web import stream as streams
from fastdag.web.bugs import log_bug
from fastdag.web.deliver import deliver
from fastdag.web.guard import stamp
from fastdag.web.params import Input
from fastdag.web.partial import lacking, missing_header
from fastdag.web.problem import Problem
from fastdag.web.request import RequestContext, request_id
from fastdag.web.stream import Frame
from fastdag.web.trust import Trust

__all__ = ["METHODS", "GraphResource", "RouteOptions", "Site"]

#: What a graph can be bound to. OPTIONS is Falcon's answer, TRACE and CONNECT are nobody's.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Wanted = tuple[str, ...] | None

_JSON = (falcon.MEDIA_JSON,)


@dataclass(frozen=True, slots=True)
class Site:
    """What all routes of an app share."""

    trust: Trust
    max_request_bytes: int = 1 << 20
    expose_errors: bool = False
    #: The exceptions that the program handles itself (`add_error_handler`).
    handled: list[type[Exception]] = field(default_factory=list)

    def claimed(self, error: NodeError, cause: BaseException | None) -> BaseException | None:
        """What the program's own handlers are to get of a failure: what the node raised, or else the failure."""
        if isinstance(cause, tuple(kind for kind in self.handled if kind is not Exception)):
            return cause
        return error if isinstance(error, tuple(self.handled)) else None


class RouteOptions(TypedDict, total=False):
    """The options of a route; see `GraphResource`."""

    query: Any
    body: Any
    fields: bool | None
    timeout: float | None
    cache_control: str | None
    partial_status: int | None
    stream: bool
    on_partial: str
    server_timing: bool
    responses: Mapping[int, str]


class GraphResource:
    """A Falcon resource that answers with a graph, for `falcon.App.add_route`; `App.add_graph` makes them by itself.

        plain = falcon.App()
        plain.add_route("/products/{id}", GraphResource(page))

    - `methods`: the methods it answers; `HEAD` comes with `GET`.
    - `query`, `body`: a `msgspec.Struct` or dataclass (`body` can be any type msgspec knows). The instance is
      `context.query`, `context.json`; input that does not fit is answered 422, with a JSON pointer per mistake.
    - `fields`: whether `?fields=seller,offer.price` selects what runs and is sent. `None`: if all methods are safe, so
      that no client chooses among changes. A `query` that has a field of that name gets it for itself.
    - `timeout`: seconds for the whole run; `None` takes the graph's own.
    - `cache_control`: the header to send with complete answers; partial ones are always `no-store`.
    - `partial_status`: the status of partial answers in place of 200, such as 203 or 206.
    - `stream`: clients that prefer `application/x-ndjson` or `text/event-stream` get each output when it is there.
    - `on_partial`: `"serve"`, or `"fail"`: an answer that is not whole becomes the problem of its first missing node.
    - `server_timing`: whether answers say, in `Server-Timing`, how long each node took; anybody can read it.
    - `responses`: statuses that nodes choose, with texts for the description: `{201: "The order is placed."}`.
    - `site`: limits and trust; the defaults of `App` if it is not given.

    Raises `TypeError` and `ValueError` for arguments that make no sense, and `GraphError` for a broken graph.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        methods: Iterable[str] = ("GET",),
        query: Any = None,
        body: Any = None,
        fields: bool | None = None,
        timeout: float | None = None,
        cache_control: str | None = None,
        partial_status: int | None = None,
        stream: bool = False,
        on_partial: str = "serve",
        server_timing: bool = False,
        responses: Mapping[int, str] | None = None,
        site: Site | None = None,
    ) -> None:
        if not isinstance(graph, Graph):
            raise TypeError(f"a route is answered by a Graph, not by {graph!r}")
        if on_partial not in ("serve", "fail"):
            raise ValueError(f"on_partial is 'serve' or 'fail', not {on_partial!r}")
        if partial_status is not None and not (isinstance(partial_status, int) and 200 <= partial_status <= 299):
            raise ValueError(f"partial_status is a number from 200 to 299, not {partial_status!r}")
        if not all(isinstance(key, int) and isinstance(text, str) for key, text in (responses or {}).items()):
            raise TypeError(f"responses maps statuses to texts, {{201: 'Created.'}}; not {responses!r}")
        graph.compile()
        self.graph = graph
        self.methods = check_methods(methods)
        self.input = Input(query, body)
        safe = set(self.methods) <= {"GET", "HEAD"}
        self.fields = (safe if fields is None else fields) and "fields" not in self.input.names
        self.timeout = deadline.check_seconds("timeout", timeout)
        self.cache_control = cache_control
        self.partial_status = partial_status
        self.stream = stream
        self._offered = (falcon.MEDIA_JSON, streams.NDJSON, streams.EVENT_STREAM) if stream else _JSON
        self.on_partial = on_partial
        self.responses = dict(responses or {})
        self.server_timing = server_timing
        self.site = site if site is not None else Site(Trust())
        for method in self.methods:
            # Falcon looks for methods of these names.
            setattr(self, f"on_{method.lower()}", self.respond)

    def respond(self, req: falcon.Request, resp: falcon.Response, **path: Any) -> None:
        """Answer one request."""
        stamp(req, resp)
        try:
            media_type = negotiated(req, self._offered)
            context = self.context(req, path)
            wanted = fields.wanted(self.graph, req.params) if self.fields else None
            if media_type == falcon.MEDIA_JSON:
                self._answer(context, self._run(context, wanted), resp)
            else:
                self._stream(context, wanted, media_type, resp)
        except NodeError as error:
            self._fail(error, context, resp)
        except UnknownOutput as error:
            problem.render(fields.refused(error), resp, request_id(req.env))
        except Problem as error:
            problem.render(error, resp, request_id(req.env))

    def _run(self, context: RequestContext, wanted: Wanted, on_output: OnOutput | None = None) -> Result:
        seconds = deadline.remaining(context.deadline)
        return self.graph.run(context, timeout=seconds, outputs=wanted, on_output=on_output)

    @property
    def limit(self) -> float | None:
        """Seconds that a run may take: the route's, or else the graph's."""
        return self.timeout if self.timeout is not None else self.graph.timeout

    def context(self, req: falcon.Request, path: dict[str, Any]) -> RequestContext:
        """What the nodes will see of a request; a `Problem` if its deadline is over or its input does not fit."""
        seconds = self.site.trust.seconds_left(req.env, self.limit)
        if seconds is not None and seconds <= 0:
            raise Problem(504, reason="timeout")
        context = RequestContext(req, path, deadline.after(seconds), self.site.trust)
        if self.stream:
            context.asked.add("accept")
        if self.input.query is not None:
            context.query = self.input.read_query(req.params, without="fields" if self.fields else None)
        content = context.body = bodies.read_body(req, self.site.max_request_bytes)
        if self.input.body is not None and req.method not in ("GET", "HEAD"):
            context.json = self.input.read_body(req, content)
        elif content and bodies.is_json(req.content_type):
            context.json = bodies.decode_json(content)
        return context

    def _answer(self, context: RequestContext, result: Result, resp: falcon.Response) -> None:
        complete = result.complete
        missing = () if complete else tuple(lacking(result.outcomes))
        if missing and self.on_partial == "fail":
            raise _as_failure(missing[0], result)
        content = self._encoded(result)
        status, cache_control = parts.apply(context, result.outcomes, resp) if context.parts else (None, [])
        resp.content_type = falcon.MEDIA_JSON
        if complete:
            resp.set_header("Fastdag-Complete", "true")
            self._allow_caching(cache_control, resp)
        else:
            status = status or self.partial_status
            resp.set_header("Fastdag-Complete", "false")
            resp.set_header("Fastdag-Missing", missing_header(missing))
            resp.set_header("Cache-Control", "no-store")
        if status is not None:
            resp.status = status
        self._tell_times(result, resp)
        deliver(context, content, resp, tagged=complete and status in (None, 200))

    def _allow_caching(self, said_by_nodes: list[str], resp: falcon.Response) -> None:
        said = [*said_by_nodes, self.cache_control] if self.cache_control else said_by_nodes
        if said:
            resp.set_header("Cache-Control", said[0] if len(said) == 1 else caching.combined(said))

    def _encoded(self, result: Result) -> bytes:
        try:
            return encode_output(result.merged, result.node_data)
        except EncodeError as error:
            raise NodeError(error.node_id or "", "exception", str(error), result) from error

    def _fail(self, error: NodeError, context: RequestContext, resp: falcon.Response) -> None:
        cause = problem.cause_of(error)
        if isinstance(cause, (falcon.HTTPError, falcon.HTTPStatus)):
            raise cause from None
        claimed = None if isinstance(cause, Relayed) else self.site.claimed(error, cause)
        if claimed is not None:
            raise claimed
        if isinstance(cause, Relayed) and cause.status < 400:
            resp.status = cause.status  # nothing went wrong, and there is nothing else to say
        else:
            problem.render(self._problem(error, context), resp, context.request_id)
        if isinstance(cause, Relayed) and error.node_id in context.parts:
            parts.send_headers(context.parts[error.node_id], resp)
        self._tell_times(error.result, resp)

    def _tell_times(self, result: Result | None, resp: falcon.Response) -> None:
        if self.server_timing and result is not None:
            resp.set_header("Server-Timing", server_timing(result.timeline))

    def _problem(self, error: Exception, context: RequestContext) -> falcon.HTTPError:
        """What an error that ended the run is to the client. A bug is logged, since the client is not told of it."""
        cause = problem.cause_of(error) if isinstance(error, NodeError) else None
        if isinstance(cause, falcon.HTTPError):
            return cause
        if isinstance(error, NodeError) and isinstance(cause, Relayed):
            return problem.of_relayed(error.node_id, cause)
        if not isinstance(error, NodeError) or error.reason == "exception":
            log_bug(f"{self.graph.id} failed, request {context.request_id}: {error}", error)
        expose = self.site.expose_errors
        if isinstance(error, NodeError):
            return problem.of_failure(error, expose=expose)
        return problem.of_bug(error, expose=expose)

    def _stream(self, context: RequestContext, wanted: Wanted, media_type: str, resp: falcon.Response) -> None:
        def run(on_output: OnOutput) -> Frame:
            missing = lacking(self._run(context, wanted, on_output).outcomes)
            told = [{"node": id, "reason": outcome.reason, "state": outcome.state} for id, outcome in missing]
            return "end", {"complete": not told, "missing": told}

        def explain(error: Exception) -> Frame:
            return "problem", problem.document(self._problem(error, context), context.request_id)

        streams.send(streams.Frames(media_type, run, explain), media_type, context.request, resp)


def _as_failure(missing: tuple[str, Any], result: Result) -> NodeError:
    node_id, outcome = missing
    error = NodeError(node_id, outcome.reason or "exception", "the route takes no partial answers", result)
    error.__cause__ = outcome.error
    return error


def negotiated(req: falcon.Request, offered: tuple[str, ...]) -> str:
    """The media type that the client likes best (RFC 9110 §12.5.1), the first among equals; 406 if it likes none."""
    accept = req.env.get("HTTP_ACCEPT")
    if not accept or accept == "*/*":
        return offered[0]
    found = req.client_prefers(offered)
    if found is None:
        raise Problem(406, detail=f"This route answers {', '.join(offered)}.")
    return found if req.method != "HEAD" else offered[0]


def check_methods(methods: Iterable[str]) -> tuple[str, ...]:
    """Methods as declared, `HEAD` beside `GET`."""
    if isinstance(methods, str):
        raise TypeError(f"methods takes a tuple: methods=({methods!r},)")
    names = tuple(dict.fromkeys(methods))
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise ValueError(f"methods are some of {', '.join(METHODS)}, not {', '.join(map(repr, unknown)) or 'none'}")
    return (*names, "HEAD") if "GET" in names and "HEAD" not in names else names
