"""What a running node can see: the request it works for, and the scope of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SCOPE", "Context", "ResponseParts", "Scope", "current_scope"]


class Scope:
    """One run, as seen by the code that runs in it.

    Upstream calls read it to learn until when they may take, whom they work for and whether anybody still waits:
    `deadline` is an instant of the monotonic clock, `closed` turns true when the run is over. `node_id` is the node
    the code belongs to, where it is known; `spawn(f, *args)` starts a greenlet that dies with the run.
    """

    __slots__ = ("closed", "context", "deadline", "node_id", "parent", "run", "spawn")

    def __init__(
        self,
        context: Any = None,
        deadline: float | None = None,
        *,
        node_id: str | None = None,
        run: Any = None,
        parent: Scope | None = None,
        spawn: Callable[..., Any] | None = None,
    ) -> None:
        self.context = context
        self.deadline = deadline
        self.node_id = node_id
        self.run = run
        self.parent = parent
        self.spawn = spawn
        self.closed = False

    @property
    def over(self) -> bool:
        """Whether this run, or one that it runs inside of, has ended."""
        return self.closed or (self.parent is not None and self.parent.over)


SCOPE: ContextVar[Scope | None] = ContextVar("fastdag_scope", default=None)

current_scope = SCOPE.get


@dataclass(slots=True)
class ResponseParts:
    """What nodes ask to be sent along with the body. Each node writes; the order of declaration decides."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Context:
    """One request, as its nodes see it. Any other value can be a context too; this is the one the web side makes.

    `path` holds the route's parameters, `query` and `headers` the request's (header names in lower case), `json` the
    decoded body and `body` its bytes. `deadline` is an instant of the monotonic clock. `state` is the request's own
    dict, for middleware and nodes; `response` is what to send along; `request` is Falcon's.
    """

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    body: bytes = b""
    method: str = "GET"
    request_id: str = ""
    deadline: float | None = None
    state: dict[str, Any] = field(default_factory=dict)
    response: ResponseParts = field(default_factory=ResponseParts)
    request: Any = None

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a greenlet that inherits contextvars and the deadline, and dies with the run."""
        scope = SCOPE.get()
        if scope is None or scope.spawn is None:
            raise RuntimeError("context.spawn works inside a run only; outside of one, use gevent.spawn")
        return scope.spawn(function, *args)
