"""What a running node can see: the request it works for, and the scope of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from fastdag.errors import StaleAnswer

__all__ = ["SCOPE", "Context", "ResponseParts", "Scope", "current_scope"]


class Scope:
    """One run, as seen by the code that runs in it.

    Upstream calls read it to learn until when they may take, whom they work for and whether anybody still waits:
    `deadline` is an instant of the monotonic clock, `closed` turns true when the run is over. `node_id` is the node
    the code belongs to, where it is known; `spawn(f, *args)` starts a greenlet that dies with the run.
    `run` is the run itself while it lasts, `None` afterwards.
    """

    __slots__ = ("closed", "context", "deadline", "node_id", "parent", "run")

    def __init__(
        self,
        context: Any = None,
        deadline: float | None = None,
        run: Any = None,
        parent: Scope | None = None,
        node_id: str | None = None,
    ) -> None:
        self.context = context
        self.deadline = deadline
        self.node_id = node_id
        self.run = run
        self.parent = parent
        self.closed = False

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.over or self.run is None:
            raise RuntimeError("this run is over; nothing can be spawned in it any more")
        return self.run.spawn(function, *args)

    def gave_stale(self, stale: StaleAnswer) -> None:
        """Note that the running node was given an old answer in place of a failure: the run is not complete."""
        node_id = self.running
        if self.run is not None and node_id is not None:
            self.run.gave_stale(node_id, stale)

    @property
    def over(self) -> bool:
        """Whether this run, or one that it runs inside of, has ended."""
        return self.closed or (self.parent is not None and self.parent.over)

    @property
    def running(self) -> str | None:
        """The id of the node the code belongs to, where it is known: not in what a node spawned."""
        return self.run.running_id() if self.node_id is None and self.run is not None else self.node_id


SCOPE: ContextVar[Scope | None] = ContextVar("fastdag_scope", default=None)

current_scope = SCOPE.get


class ResponseParts:
    """What one node asks to be sent along with the body. The order of declaration decides between nodes.

    `status` is a number from 200 to 599; without one it is 200. `headers` replaces what nodes declared earlier
    set, and `add_header` adds to it.
    """

    __slots__ = ("_status", "added", "headers")

    def __init__(self) -> None:
        self._status: int | None = None
        self.headers: dict[str, str] = {}
        self.added: list[tuple[str, str, str]] = []

    @property
    def status(self) -> int | None:
        return self._status

    @status.setter
    def status(self, value: int | None) -> None:
        # Here and not when the answer is sent, so that the traceback shows the node that did it.
        if value is not None and not (isinstance(value, int) and 200 <= value <= 599):
            raise ValueError(f"a response's status is a number from 200 to 599, not {value!r}")
        self._status = value

    def add_header(self, name: str, value: str, how: str = "append") -> None:
        """Send a header: beside what other nodes send, instead of it (`"last"`), or only without it (`"first"`).

        `Set-Cookie` is always sent beside the others.
        """
        if how not in ("first", "last", "append"):
            raise ValueError(f"how is 'first', 'last' or 'append', not {how!r}")
        self.added.append((name, value, how))


@dataclass(slots=True)
class Context:
    """One request, as its nodes see it. Any other value can be a context too; this is the one the web side makes.

    `route` is the template of the route that it came in by, `/products/{id}`.
    `path` holds the route's parameters, `query` and `headers` the request's (a repeated query parameter is a list;
    header names are in lower case), `json` the decoded body and `body` its bytes. `deadline` is an instant of the
    monotonic clock. `state` is the request's own dict, for middleware and nodes; `request` is Falcon's.
    """

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    body: bytes = b""
    method: str = "GET"
    route: str = ""
    request_id: str = ""
    deadline: float | None = None
    state: dict[str, Any] = field(default_factory=dict)
    request: Any = None
    #: The client's address: the peer's, or what trusted peers say about whom they speak for.
    client: str = ""
    #: Headers that go with every upstream call: who asks (request id) and on whose behalf (trace).
    outbound: Sequence[tuple[str, str]] = ()
    #: What every node wrote into `response`, by node id; `None` stands for code outside a node.
    parts: dict[str | None, ResponseParts] = field(default_factory=dict, init=False, repr=False)

    @property
    def response(self) -> ResponseParts:
        """Status and headers to send along, of the node that asks: nodes never see what others wrote."""
        scope = SCOPE.get()
        node_id = scope.running if scope is not None else None
        return self.parts.setdefault(node_id, ResponseParts())

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a greenlet that inherits contextvars and the deadline, and dies with the run."""
        scope = SCOPE.get()
        if scope is None:
            raise RuntimeError("context.spawn works inside a run only; outside of one, use gevent.spawn")
        return scope.spawn(function, *args)
