"""One request to an app, without a server: WSGI (PEP 3333) by hand."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults

from fastdag.cli.trouble import Trouble
from fastdag.errors import told
from fastdag.web.app import App

__all__ = ["Answer", "Asked", "ask", "asked"]

# No server would let them through: RFC 9110 section 5.5.
_controls = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as somebody typed it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def name(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app said."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def content(self) -> Any:
        """The body as data if it is JSON, else as text."""
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body.decode(errors="replace")

    def describe(self) -> dict[str, Any]:
        """The answer as data."""
        return {"status": self.status, "headers": self.headers, "body": self.content()}


def asked(method: str, target: str, headers: Iterable[str], data: str | None) -> Asked:
    """The request that the arguments of a command describe."""
    if not target.startswith("/"):
        raise Trouble(f"{target!r} is no path", f"begin it with a slash: /{target.partition('://')[2] or target}")
    pairs = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise Trouble(f"{header!r} is no header", "write it like -H 'Accept-Language: de'")
        if _controls(header):
            raise Trouble(f"{header!r} is no header: there is a line break or control character in it", "take it out")
        pairs.append((name.strip(), value.strip()))
    return Asked(method.upper(), target, tuple(pairs), _body(data))


def _body(data: str | None) -> bytes:
    if data is None or not data.startswith("@"):
        return (data or "").encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise Trouble(
            f"{data[1:]} cannot be read: {error.strerror}", "-d @file sends a file, -d text the text"
        ) from error


def ask(app: App, request: Asked) -> Answer:
    """Start the app, send the request through it, middleware and all, and stop it."""
    answered: tuple[int, tuple[tuple[str, str], ...]] = (0, ())

    def start_response(status: str, headers: Sequence[tuple[str, str]], exc_info: Any = None) -> Callable[..., Any]:
        nonlocal answered
        answered = int(status.split(" ", 1)[0]), tuple(headers)
        return lambda data: None

    try:
        body = app(_environ(request), start_response)
        try:
            content = b"".join(body)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
    except SystemExit as error:
        raise Trouble(
            f"the app ended its process when it was asked {request.name}: SystemExit: {told(error)}",
            "what it needs is not there, or a start hook or middleware calls sys.exit without need",
        ) from error
    finally:
        app.stop()
    return Answer(*answered, content)


def _environ(request: Asked) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "RAW_URI": request.target,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(request.body),
    }
    if request.body:
        environ |= {"CONTENT_LENGTH": str(len(request.body)), "CONTENT_TYPE": "application/json"}
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    setup_testing_defaults(environ)
    return environ
