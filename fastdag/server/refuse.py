"""Answers the worker gives itself, without asking the program: problem details (RFC 9457), made once."""

from __future__ import annotations

from http.client import responses

__all__ = ["Refusal", "refusal"]

_DETAILS = {
    400: "The request is not well-formed HTTP/1.1.",
    408: "The request did not arrive in time.",
    413: "The body is larger than this server takes.",
    414: "The request line is longer than this server takes.",
    417: "The expectation is not one this server can meet.",
    431: "The headers are more, or longer, than this server takes.",
    500: "The program failed.",
    501: "The transfer coding is not supported.",
    503: "This server is busy or shutting down; try again later.",
}


class Refusal:
    """A whole answer: `status` as gunicorn's loggers want it, and the bytes."""

    __slots__ = ("_body", "_more", "code", "length", "status")

    def __init__(self, code: int) -> None:
        reason = responses.get(code, "Error")
        self.code = code
        self.status = f"{code} {reason}"
        self._more = "Retry-After: 1\r\n" if code == 503 else ""
        self._body = f'{{"type":"about:blank","title":"{reason}","status":{code},"detail":"{_DETAILS[code]}"}}'
        self.length = len(self._body)

    def render(self, preamble: str, *, body: bool = True) -> bytes:
        """The bytes; a HEAD request is answered without the body."""
        return (
            f"HTTP/1.1 {self.status}\r\n{preamble}{self._more}Cache-Control: no-store\r\n"
            f"Content-Type: application/problem+json\r\nContent-Length: {self.length}\r\n\r\n"
            f"{self._body if body else ''}"
        ).encode("latin-1")


_REFUSALS = {code: Refusal(code) for code in _DETAILS}


def refusal(code: int) -> Refusal:
    return _REFUSALS[code]
