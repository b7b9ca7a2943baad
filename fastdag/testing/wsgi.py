"""One request to a WSGI program, and what it answers; without a socket."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from wsgiref.util import setup_testing_defaults

__all__ = ["Answered", "Asked", "ask"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `target` is a path with its query. A body is JSON unless `headers` say otherwise."""

    target: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def environ(self) -> dict[str, Any]:
        path, _, query = self.target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.input": io.BytesIO(self.body),
        }
        if self.body:
            environ["CONTENT_TYPE"] = "application/json"
        setup_testing_defaults(environ)
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        return environ


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer: its status as a number, its headers as they came, its body whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def ask(program: Callable[..., Iterable[bytes]], asked: Asked) -> Answered:
    """Send a WSGI program (PEP 3333) a request."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        started.append((status, headers))

    pieces = program(asked.environ(), start_response)
    try:
        body = b"".join(pieces)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    status, headers = started[-1]
    return Answered(int(status.split()[0]), tuple(headers), body)
