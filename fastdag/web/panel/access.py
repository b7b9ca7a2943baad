"""Who may see the panel: whoever has the token or, where there is none, whoever sits at the machine itself."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import falcon

__all__ = ["Access"]

COOKIE = "fastdag_panel"
_COOKIE_SECONDS = 12 * 3600

#: Short enough to be typed, and too long to be guessed over a network.
_SHORTEST = 16

_TYPED = re.compile(r"[!-~]+").fullmatch

#: What a proxy adds: the request comes from somebody else than the peer.
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


class Access:
    """Decides by token, in the header `Authorization: Bearer`, or in a cookie that is got in exchange for it.

    Without a token the panel is a developer's: it answers requests that come over the loopback, from no proxy, for a
    name of this machine; the last so that no web page can reach it through a name of its own (DNS rebinding). A
    request without any peer was made in this process, by a test.
    """

    def __init__(self, token: str | None) -> None:
        if token is not None and not _is_token(token):
            raise ValueError(f"the panel's token is at least {_SHORTEST} ASCII characters, without blanks")
        self.has_token = token is not None
        self._token = (token or "").encode()
        # Not the token itself, which would then lie in the browser; the same in all workers.
        self._cookie = hmac.new(self._token, b"the panel's cookie", hashlib.sha256).hexdigest().encode()

    def require(self, req: falcon.Request) -> None:
        """Raise 404, as if there were no panel, unless the request may see it."""
        if not (self._has_credentials(req) if self.has_token else _is_at_home(req.env)):
            raise falcon.HTTPNotFound()

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return self.has_token and _same(token, self._token)

    def _has_credentials(self, req: falcon.Request) -> bool:
        scheme, _, given = (req.get_header("Authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and self.knows(given.strip()):
            return True
        return any(_same(cookie, self._cookie) for cookie in req.get_cookie_values(COOKIE) or ())

    def admit(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Give the cookie that stands for the token."""
        resp.set_cookie(
            COOKIE,
            self._cookie.decode(),
            max_age=_COOKIE_SECONDS,
            path=f"{req.root_path}/_fastdag",
            secure=req.scheme == "https",
            http_only=True,
            same_site="Lax",
        )


def _is_token(token: Any) -> bool:
    """Whether it can be typed into a form and put into a header, and is the same in both."""
    return isinstance(token, str) and len(token) >= _SHORTEST and _TYPED(token) is not None


def _same(given: str, wanted: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted)


def _is_at_home(environ: Mapping[str, Any]) -> bool:
    address = environ.get("REMOTE_ADDR")
    if address is None:
        return True
    # An empty address is a Unix socket's, and behind that is a proxy.
    return _is_loopback(address) and not any(environ.get(name) for name in _FORWARDED) and _names_home(environ)


def _names_home(environ: Mapping[str, Any]) -> bool:
    host: str = environ.get("HTTP_HOST", "")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
