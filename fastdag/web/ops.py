"""What operators and client developers look at: on the public port with `ops=True`, else on an address of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import falcon

from fastdag.concurrency import wsgi_server
from fastdag.shape.encode import encode
from fastdag.web import openapi, reference
from fastdag.web.guard import serialize, stamp
from fastdag.web.openapi import Routes

__all__ = ["Description", "Desk", "Numbers", "Reference"]

log = logging.getLogger("fastdag.web")

#: Takes an Accept header, and gives the numbers in a form that suits it, and that form's media type.
Exposition = Callable[[str], tuple[bytes, str]]


class Description:
    """`/openapi.json`, made when it is asked for: routes may be added at any time."""

    def __init__(self, routes: Routes, *, title: str, version: str) -> None:
        self._routes = routes
        self.title = title
        self.version = version

    def document(self) -> dict[str, Any]:
        return openapi.describe(self._routes, title=self.title, version=self.version)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = encode(self.document())
        resp.content_type = falcon.MEDIA_JSON

    on_head = on_get


class Reference:
    """The same as a page to read."""

    def __init__(self, description: Description) -> None:
        self._description = description

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = reference.page(self._description.document())
        resp.content_type = falcon.MEDIA_HTML
        # Nothing is loaded and nothing runs, whatever a docstring says.
        resp.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")

    on_head = on_get


class Numbers:
    """`/metrics`: what an observer has counted, for who scrapes it."""

    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data, resp.content_type = self._exposition(req.get_header("Accept", default="*/*"))
        resp.set_header("Cache-Control", "no-store")

    on_head = on_get


class Desk:
    """An app for operators on an address of its own. It is there from `start` to `stop`, in every worker.

    All workers of a service listen at the same address, and the kernel gives each connection to one of them. That does
    for what any worker can answer, such as the description, and numbers that workers share (`Metrics`). With port 0
    each worker has a port of its own, which `address` tells.
    """

    def __init__(self, address: str) -> None:
        self._where = _host_and_port(address)
        self._server: Any = None
        self.app = falcon.App(middleware=[_Stamps()])
        self.app.set_error_serializer(serialize)

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, while it is there."""
        return None if self._server is None else (self._where[0], self._server.server_port)

    def start(self) -> None:
        if self._server is None:  # else another start hook raised, and this is the next attempt
            self._server = wsgi_server(*self._where, self.app, log)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(timeout=1)
            self._server = None


class _Stamps:
    """Middleware: what every response says."""

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: object, ok: bool) -> None:
        stamp(req, resp)


def _host_and_port(address: Any) -> tuple[str, int]:
    try:
        found = urlsplit(f"//{address}")
        host, port = found.hostname, found.port
    except ValueError:
        host = port = None
    if not isinstance(address, str) or not host or port is None or found.netloc != address:
        raise ValueError(f"ops is True, False or an address like '127.0.0.1:9100', not {address!r}")
    return host, port
