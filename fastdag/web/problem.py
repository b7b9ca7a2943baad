"""What a client is told when there is no answer: problem details (RFC 9457), and nothing of what went on inside.

The status rules are the table below. `reason` is the member for programs to look at; `type` is `about:blank`, as RFC
9457 §4.2.1 has it for problems that say no more than their status. Texts of exceptions, upstream bodies and addresses
appear only with `expose_errors=True`, which is meant for a developer's own machine.
"""

from __future__ import annotations

import math
import traceback
from typing import Any

import falcon

from fastdag.errors import MissingValue, NodeError, Relayed, UpstreamStatusError
from fastdag.outcome import FAILED
from fastdag.shape.encode import encode

__all__ = ["PROBLEM_JSON", "Problem", "cause_of", "document", "of_bug", "of_failure", "of_relayed", "render"]

PROBLEM_JSON = "application/problem+json"

#: The status for each reason a required node can fail with. Whose fault is it? Ours: 500 and 503. The upstream's:
#: 502 and 504. The client's: 400.
STATUS = {
    "timeout": 504,
    "connect": 502,
    "protocol": 502,
    "status": 502,
    "decode": 502,
    "too_large": 502,
    "dependency": 502,
    "invalid": 400,
    "breaker_open": 503,
    "bulkhead_full": 503,
    "shed": 503,
    "cancelled": 503,
    "exception": 500,
}

# An upstream that asks for patience (RFC 9110 §15.6.4, RFC 6585 §4) asks our client for it, too.
_BUSY = (429, 503)

_MAX_RETRY_AFTER = 30

# A reference to one of these fails if the client left something out: where that is, for the client.
_CLIENTS = {"query": "query", "headers": "headers", "json": "body"}


class Problem(falcon.HTTPError):
    """An error answer with members of its own (`node`, `reason`, `failures`, ...) beside the standard ones."""

    def __init__(
        self, status: int, *, detail: str | None = None, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(status, description=detail, headers=headers)
        self.members = members


def cause_of(error: NodeError) -> BaseException | None:
    """What a node raised, also from within a graph that a node ran."""
    cause = error.__cause__
    while isinstance(cause, NodeError):
        cause = cause.__cause__
    return cause


def of_relayed(node_id: str, cause: Relayed) -> Problem:
    """What a relayed status is to the client: the status, in our words. The upstream's own stay inside."""
    return Problem(cause.status, node=node_id)


def of_failure(error: NodeError, *, expose: bool = False) -> Problem:
    """The problem that a failed required node stands for."""
    cause = cause_of(error)
    reason = _reason(error.reason, cause)
    status = STATUS.get(reason, 500)
    if reason == "status" and isinstance(cause, UpstreamStatusError) and cause.status in _BUSY:
        status = 503
    members: dict[str, Any] = {"node": error.node_id or None, "reason": reason, "failures": _failures(error)}
    if isinstance(cause, MissingValue) and cause.source in _CLIENTS:
        pointer = "".join(f"/{step}" for step in cause.steps)
        members["errors"] = [{"in": _CLIENTS[cause.source], "pointer": pointer, "detail": "is required"}]
    if expose and cause is not None:
        members["traceback"] = traceback.format_exception(cause)
    return Problem(
        status,
        detail=str(cause if cause is not None else error) if expose else None,
        headers={"Retry-After": _retry_after(cause)} if status == 503 else None,
        **members,
    )


def of_bug(error: Exception, *, expose: bool = False) -> Problem:
    """The problem that an exception outside of any node stands for."""
    if not expose:
        return Problem(500, reason="exception")
    return Problem(500, detail=str(error), reason="exception", traceback=traceback.format_exception(error))


def _reason(reason: str, cause: BaseException | None) -> str:
    """Why a node failed, to the client: what is missing in its own request makes that invalid."""
    return "invalid" if isinstance(cause, MissingValue) and cause.source in _CLIENTS else reason


def _retry_after(cause: BaseException | None) -> str:
    seconds = getattr(cause, "retry_after", None) or 0
    if not seconds > 1:  # NaN too
        return "1"
    return str(math.ceil(min(seconds, _MAX_RETRY_AFTER)))


def _failures(error: NodeError) -> list[dict[str, Any]]:
    outcomes = getattr(error.result, "outcomes", None) or {}
    failed = [
        {"node": node_id, "reason": _reason(outcome.reason or "", outcome.error)}
        for node_id, outcome in outcomes.items()
        if outcome.state == FAILED
    ]
    return failed or [{"node": error.node_id, "reason": error.reason}]


def document(error: falcon.HTTPError, request_id: str) -> dict[str, Any]:
    """An error as problem details."""
    status = error.status_code
    line = falcon.code_to_http_status(status)
    # Falcon's own titles are the status line: "404 Not Found".
    title = line.partition(" ")[2] if error.title in (None, line) else error.title
    told: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if error.description is not None:
        told["detail"] = error.description
    if error.code is not None:
        told["code"] = error.code
    if error.link is not None:
        told["link"] = error.link
    told.update(getattr(error, "members", ()))
    told["request_id"] = request_id
    return told


def render(error: falcon.HTTPError, resp: falcon.Response, request_id: str) -> None:
    """Make an error the response."""
    resp.status = error.status
    if error.headers is not None:
        resp.set_headers(error.headers)
    resp.text = resp.media = resp.stream = None
    resp.data = encode(document(error, request_id))
    resp.content_type = PROBLEM_JSON
    resp.set_header("Cache-Control", "no-store")
