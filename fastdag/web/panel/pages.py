"""What is below `/_fastdag/`: the page and its files, its data, and the way in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs

import falcon

from fastdag.shape.encode import encode
from fastdag.web.panel.access import Access
from fastdag.web.panel.live import Live
from fastdag.web.panel.view import Views

__all__ = ["Files", "Login", "Now", "Page", "Place", "Redirect", "Stream"]

# Nothing from elsewhere, nothing inline, and no other page around ours.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_TYPES = {".html": falcon.MEDIA_HTML, ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

_FILES = {
    file.name: (file.read_bytes(), _TYPES[file.suffix])
    for file in Path(__file__).parent.joinpath("static").rglob("*")
    if file.suffix in _TYPES
}

#: What the way in is made of, before anybody is in.
_OPEN = frozenset({"panel.css"})

#: A token, encoded, and the name of its field.
_LONGEST_FORM = 4096


class Place(Protocol):
    """An app that pages are added to."""

    def add_route(self, uri_template: str, resource: object) -> None: ...


def _send(resp: falcon.Response, name: str) -> None:
    resp.data, resp.content_type = _FILES[name]
    _protect(resp)


def _protect(resp: falcon.Response) -> None:
    resp.set_header("Content-Security-Policy", _POLICY)
    resp.set_header("Referrer-Policy", "no-referrer")
    resp.set_header("Cache-Control", "no-store")


class _Guarded:
    """A Falcon resource that not everybody may see."""

    def __init__(self, access: Access) -> None:
        self._access = access


class Redirect(_Guarded):
    """`/_fastdag`: the page's addresses are relative, so it needs its slash."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._access.require(req)
        raise falcon.HTTPSeeOther(f"{req.root_path}{req.path}/")


class Page(_Guarded):
    """The page itself."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._access.require(req)
        _send(resp, "index.html")


class Files(_Guarded):
    """What the page is made of."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        if name not in _OPEN:
            self._access.require(req)
        if name not in _FILES:
            raise falcon.HTTPNotFound()
        _send(resp, name)


class Now(_Guarded):
    """What there is to see, once."""

    def __init__(self, access: Access, views: Views) -> None:
        super().__init__(access)
        self._views = views

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._access.require(req)
        view = self._views.wanted(req.query_string)
        view.check()
        resp.data = encode(view.data())
        resp.content_type = falcon.MEDIA_JSON
        _protect(resp)


class Stream(_Guarded):
    """What there is to see, from now on."""

    def __init__(self, access: Access, views: Views, live: Live) -> None:
        super().__init__(access)
        self._views = views
        self._live = live

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._access.require(req)
        self._live.send(self._views.wanted(req.query_string), resp)
        _protect(resp)


class Login(_Guarded):
    """A form that takes the token and gives a cookie; there is one where there is a token."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _send(resp, "login.html")

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form = parse_qs(req.bounded_stream.read(_LONGEST_FORM).decode("latin-1"))
        if not self._access.knows(form.get("token", [""])[0].strip()):
            resp.status = falcon.HTTP_403
            _send(resp, "login.html")
            resp.data = _FILES["login.html"][0].replace(b" hidden>", b">", 1)  # what it says to a wrong token
            return
        self._access.admit(req, resp)
        resp.status = falcon.HTTP_303
        resp.location = "./"
        _protect(resp)
