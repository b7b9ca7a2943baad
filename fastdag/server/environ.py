"""The WSGI environ (PEP 3333) as gunicorn makes it, most of it once per connection instead of once per request."""

from __future__ import annotations

import os
from io import BytesIO
from typing import Any

from gunicorn.http.errors import ConfigurationProblem
from gunicorn.http.wsgi import base_environ
from gunicorn.util import unquote_to_wsgi_str

from fastdag.server.head import Head

__all__ = ["connection_environ", "listener_environ", "request_environ", "unknown_environ"]

Environ = dict[str, Any]


def listener_environ(cfg: Any, server: Any) -> Environ:
    """What all requests of one listener have in common; `server` is what `getsockname` said."""
    environ: Environ = base_environ(cfg)
    environ.update(
        {
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SCRIPT_NAME": os.environ.get("SCRIPT_NAME", ""),
        }
    )
    if isinstance(server, tuple):
        environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0], str(server[1])
    return environ


def connection_environ(listener: Environ, address: Any) -> Environ:
    """What all requests of one connection have in common; `address` is the peer's."""
    if isinstance(address, tuple):
        return {**listener, "REMOTE_ADDR": address[0], "REMOTE_PORT": str(address[1])}
    return {**listener, "REMOTE_ADDR": address.decode() if isinstance(address, bytes) else address}


def request_environ(connection: Environ, head: Head, body: bytes) -> Environ:
    """One request's own environ. A program may do with it what it likes."""
    environ = connection.copy()
    variables = head.variables
    environ.update(variables)
    environ["wsgi.input"] = BytesIO(body)
    environ["REQUEST_METHOD"] = head.method
    environ["QUERY_STRING"] = head.query
    environ["RAW_URI"] = head.uri
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if head.version == (1, 1) else f"HTTP/{head.version[0]}.{head.version[1]}"
    environ["PATH_INFO"] = _unquoted(head.path)
    if head.scheme != "http":
        environ["wsgi.url_scheme"] = head.scheme
    if head.chunked:
        # The body is here, whole, so its length is known: programs that only look at CONTENT_LENGTH see it too.
        environ["CONTENT_LENGTH"] = str(len(body))
    if "HTTP_SCRIPT_NAME" in variables or environ["SCRIPT_NAME"]:
        _below_script_name(environ, head)
    if "SERVER_NAME" not in environ:
        _server_from_host(environ, head.scheme)
    return environ


def unknown_environ(connection: Environ) -> Environ:
    """What a logger is shown of a request that could not be read."""
    unknown = dict.fromkeys(("REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL", "PATH_INFO", "QUERY_STRING"), "-")
    return {**connection, **unknown}


def _unquoted(path: str) -> str:
    return unquote_to_wsgi_str(path) if "%" in path else path


def _below_script_name(environ: Environ, head: Head) -> None:
    # Only a trusted forwarder can have sent SCRIPT_NAME: from others a name with an underscore was refused or dropped.
    sent = [value for name, value in head.headers if name == "SCRIPT_NAME"]
    prefix = environ["SCRIPT_NAME"] = sent[-1] if sent else environ["SCRIPT_NAME"]
    if not head.path.startswith(prefix):
        raise ConfigurationProblem(f"Request path {head.path!r} does not start with SCRIPT_NAME {prefix!r}")
    environ["PATH_INFO"] = _unquoted(head.path[len(prefix) :])


def _server_from_host(environ: Environ, scheme: str) -> None:
    # A unix socket has neither name nor port; what the client calls us is the next best.
    name, _, port = environ.get("HTTP_HOST", "").partition(":")
    default = {"http": "80", "https": "443"}.get(scheme, "") if name else ""
    environ["SERVER_NAME"], environ["SERVER_PORT"] = name, port or default
