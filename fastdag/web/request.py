"""The request as nodes see it. What costs something is built when it is first read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import falcon

from fastdag.context import Context
from fastdag.web.trace import trace_context
from fastdag.web.trust import Trust

__all__ = ["RequestContext", "request_id"]

# What may be logged, echoed and sent upstream without a second thought.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}", re.ASCII).fullmatch


def request_id(environ: dict[str, Any]) -> str:
    """The request's id: the client's `X-Request-Id` if it is well-formed, else one made now and remembered."""
    found: str | None = environ.get("fastdag.request_id")
    if found is None:
        found = environ.get("HTTP_X_REQUEST_ID")
        if found is None or not _WELL_FORMED(found):
            found = os.urandom(16).hex()
        environ["fastdag.request_id"] = found
    return found


class ReadHeaders(dict[str, str]):
    """The request's headers, by lower-case name. It notes what is asked for, since the answer depends on it.

    Whoever goes through all of them depends on all: that is noted as `*`.
    """

    __slots__ = ("_asked",)

    def __init__(self, headers: Mapping[str, str], asked: set[str]) -> None:
        super().__init__(headers)
        self._asked = asked

    def __getitem__(self, name: str) -> str:
        self._asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._asked.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._asked.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        self._asked.add("*")
        return super().__iter__()

    def keys(self) -> Any:
        self._asked.add("*")
        return super().keys()

    def items(self) -> Any:
        self._asked.add("*")
        return super().items()

    def values(self) -> Any:
        self._asked.add("*")
        return super().values()


class RequestContext(Context):
    """A `Context` over a Falcon request. `asked` holds the names of the headers that were looked at."""

    __slots__ = ("asked", "trust")

    def __init__(self, request: falcon.Request, path: dict[str, Any], deadline: float | None, trust: Trust) -> None:
        self.request = request
        self.trust = trust
        self.path = path
        self.deadline = deadline
        self.body = b""
        self.json = None
        self.method = request.method
        self.route = request.uri_template or ""
        self.request_id = request_id(request.env)
        self.parts = {}
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        # Reached only while a slot is empty: the first reading fills it.
        build = _LAZY.get(name)
        if build is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        value = build(self)
        setattr(self, name, value)
        return value


_LAZY: dict[str, Callable[[Any], Any]] = {
    "query": lambda context: context.request.params,
    "client": lambda context: context.trust.client(context.request.env),
    "headers": lambda context: ReadHeaders(context.request.headers_lower, context.asked),
    "outbound": lambda context: (
        ("X-Request-Id", context.request_id),
        *trace_context(context.request.env),
    ),
    # What middleware puts on Falcon's own `req.context` is there for the nodes, and the other way round.
    "state": lambda context: vars(context.request.context),
}
