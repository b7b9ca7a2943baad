"""Every error of fastdag, in one tree, by whose fault it is.

    FastdagError
    ├── GraphError                 the declaration: raised before anything runs
    ├── UnknownOutput              the caller: asked for an output that the graph does not have
    ├── NodeError                  the running node: a required one failed
    ├── EncodeError                the running node: its data has no JSON form
    └── UpstreamError              the upstream, or the way there
        ├── UpstreamTimeout            timeout
        ├── UpstreamConnectError       connect: refused, unreachable, TLS, DNS
        ├── UpstreamProtocolError      protocol: bad framing, garbage, a cut body
        ├── UpstreamStatusError        status: a status outside `ok`
        │   └── Relayed                    not a failure: the upstream's answer is the run's
        ├── UpstreamDecodeError        decode: a body that is not what was asked for
        ├── UpstreamTooLarge           too_large: over a limit on headers, body or elements
        ├── StaleAnswer                never raised: an old answer stands in for a failure, whose reason it has
        ├── UpstreamRejected           breaker_open, bulkhead_full, shed, cancelled: never left the process
        ├── InvalidValue               invalid: a request value that may not go upstream
        └── MissingValue               dependency: a reference that nothing answers

All of them can be pickled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "EncodeError",
    "FastdagError",
    "GraphError",
    "InvalidValue",
    "MissingValue",
    "NodeError",
    "Relayed",
    "StaleAnswer",
    "UnknownOutput",
    "UpstreamConnectError",
    "UpstreamDecodeError",
    "UpstreamError",
    "UpstreamProtocolError",
    "UpstreamRejected",
    "UpstreamStatusError",
    "UpstreamTimeout",
    "UpstreamTooLarge",
    "reason_of",
    "told",
]


class FastdagError(Exception):
    """The root of the tree."""


class GraphError(FastdagError, ValueError):
    """A graph that cannot run, refused while it is declared; `problems` lists all that is wrong with it."""

    problems: tuple[str, ...]

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class EncodeError(FastdagError, TypeError):
    """Data that has no JSON form. `path` says where it is (`$.offer.price`), `node_id` whose it is, if known."""

    def __init__(self, path: str, problem: str, node_id: str | None = None) -> None:
        super().__init__(path, problem, node_id)
        self.path = path
        self.problem = problem
        self.node_id = node_id

    def __str__(self) -> str:
        whose = f"the data of {self.node_id!r}" if self.node_id else "the answer"
        return f"{whose} is no JSON at {self.path}: {self.problem}"


class UnknownOutput(FastdagError, LookupError):
    """Outputs were asked for that the graph does not have: `unknown`; those that it has: `known`."""

    def __init__(self, message: str, unknown: tuple[str, ...] = (), known: tuple[str, ...] = ()) -> None:
        super().__init__(message, unknown, known)
        self.unknown = unknown
        self.known = known

    def __str__(self) -> str:
        return str(self.args[0])


class NodeError(FastdagError):
    """A required node failed and no fallback answered for it.

    `node_id` and `reason` say which and why, `result` holds what the run had produced by then (`None`
    after unpickling: a result may hold anything), and `__cause__` is the exception the node raised.
    """

    def __init__(self, node_id: str, reason: str, message: str = "", result: Any = None) -> None:
        super().__init__(node_id, reason, message)
        self.node_id = node_id
        self.reason = reason
        self.message = message
        self.result = result

    def __str__(self) -> str:
        return f"{self.node_id} failed ({self.reason})" + (f": {self.message}" if self.message else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.node_id, self.reason, self.message))


class UpstreamError(FastdagError):
    """A call to an upstream that brought no usable answer.

    `upstream` is its name, `reason` one of the closed set of `fastdag.outcome.REASONS`. `sent` tells whether any
    byte of the request may have reached the upstream; a call that is not idempotent is only ever repeated when
    it is false. `received` tells whether a byte of the answer had come. `hopeless` says that another attempt would
    end the same way (a certificate that is not trusted).
    """

    reason = "exception"

    def __init__(
        self,
        message: str,
        *,
        upstream: str = "",
        reason: str = "",
        sent: bool = False,
        received: bool = False,
        hopeless: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.upstream = upstream
        self.sent = sent
        self.received = received
        self.hopeless = hopeless
        if reason:
            self.reason = reason

    def __str__(self) -> str:
        return f"{self.upstream}: {self.message}" if self.upstream else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.message,), self.__dict__)


class UpstreamTimeout(UpstreamError, TimeoutError):
    """The call's time was up, whatever it was doing."""

    reason = "timeout"


class UpstreamConnectError(UpstreamError, ConnectionError):
    """No connection: refused, unreachable, no address, no trust (TLS), or lost before the answer began."""

    reason = "connect"


class UpstreamProtocolError(UpstreamError):
    """The answer is no HTTP: bad framing, a cut body, bytes nobody asked for."""

    reason = "protocol"


class UpstreamStatusError(UpstreamError):
    """The answer's status is outside `ok`; `response` is the whole answer (`None` after unpickling)."""

    reason = "status"

    def __init__(
        self, message: str, *, status: int = 0, retry_after: float | None = None, response: Any = None, **more: Any
    ) -> None:
        super().__init__(message, **more)
        self.status = status
        self.retry_after = retry_after
        self.response = response

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.message,), {**self.__dict__, "response": None})


class Relayed(UpstreamStatusError):
    """A status that a fetch names in `relay=`: `response` is to be sent as the run's answer. No failure of anybody."""


class StaleAnswer(UpstreamError):
    """An old answer was given in place of a failure, which is its `__cause__` and has its `reason`.

    The `error` of a node that ended as `fallback` for that: it is noted, never raised.
    """


class UpstreamDecodeError(UpstreamError):
    """The body is not what the caller asked for: no JSON, bad UTF-8, too deep, another type."""

    reason = "decode"


class UpstreamTooLarge(UpstreamError):
    """More header bytes, body bytes or elements than the limit allows."""

    reason = "too_large"


class UpstreamRejected(UpstreamError):
    """Refused before it left the process: open breaker, full bulkhead, shed load, or a run that is over.

    `retry_after` is seconds, or `None` when nobody knows.
    """

    reason = "breaker_open"

    def __init__(self, message: str, *, retry_after: float | None = None, **more: Any) -> None:
        super().__init__(message, **more)
        self.retry_after = retry_after


class InvalidValue(UpstreamError, ValueError):
    """A value that may not go upstream: a dot segment, an empty segment, a control character."""

    reason = "invalid"


class MissingValue(UpstreamError, LookupError):
    """A reference (`{product.seller_id}`) to something that is not there.

    `source` is what it begins with, a node's id or a part of the request such as `query`; `steps` is the rest.
    """

    reason = "dependency"

    def __init__(self, message: str, *, source: str = "", steps: tuple[str, ...] = (), **more: Any) -> None:
        super().__init__(message, **more)
        self.source = source
        self.steps = steps


def told(error: BaseException) -> str:
    """What an exception says of itself. Somebody else's may raise when it is asked."""
    try:
        return str(error)
    except Exception:
        return type(error).__qualname__


# `requests` is imported in its transport only, so its exceptions are known by name. Time-outs stand first:
# ConnectTimeout is both.
_FOREIGN = (
    (("requests.exceptions", "Timeout"), "timeout"),
    (("urllib3.exceptions", "TimeoutError"), "timeout"),
    (("requests.exceptions", "ConnectionError"), "connect"),
    (("requests.exceptions", "JSONDecodeError"), "decode"),
    (("requests.exceptions", "ChunkedEncodingError"), "protocol"),
    (("requests.exceptions", "HTTPError"), "status"),
)


def reason_of(error: BaseException) -> str:
    """The reason, of the closed set, that an exception which left a node stands for."""
    if isinstance(error, UpstreamError):
        return error.reason
    names = {(kind.__module__, kind.__qualname__) for kind in type(error).__mro__}
    if isinstance(error, TimeoutError) or ("gevent.timeout", "Timeout") in names:
        return "timeout"
    for name, reason in _FOREIGN:
        if name in names:
            return reason
    if isinstance(error, ConnectionError):
        return "connect"
    return error.reason if isinstance(error, NodeError) else "exception"
