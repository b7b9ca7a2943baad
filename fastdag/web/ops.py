"""What operators and client developers look at. On the public port only with `ops=True`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon

from fastdag.shape.encode import encode
from fastdag.web import openapi, reference
from fastdag.web.openapi import Routes

__all__ = ["Description", "Numbers", "Reference"]

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
