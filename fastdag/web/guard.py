"""What happens to every request, graph or not: admission, start hooks, and what every response says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon

from fastdag.events import Instruments
from fastdag.web.health import HEALTH_PATHS
from fastdag.web.lifecycle import Lifecycle
from fastdag.web.problem import Problem, render
from fastdag.web.request import request_id

__all__ = ["ROUTE", "SHED", "Guard", "serialize", "stamp"]

#: The environ's key for a request that came when there were enough already.
SHED = "fastdag.shed"

#: The environ's key for the template of the route that answers.
ROUTE = "fastdag.route"


def stamp(req: falcon.Request, resp: falcon.Response) -> None:
    """Which request a response answers, by which route, and that nobody shall guess its type."""
    req.env[ROUTE] = req.uri_template
    resp.set_header("X-Request-Id", request_id(req.env))
    resp.set_header("X-Content-Type-Options", "nosniff")


def serialize(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Falcon's seam for what an error looks like: a problem."""
    render(error, resp, request_id(req.env))


class Guard:
    """The first middleware of every app."""

    def __init__(self, lifecycle: Lifecycle, instruments: Instruments) -> None:
        self._lifecycle = lifecycle
        self._instruments = instruments

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        env = req.env
        if SHED in env and req.path not in HEALTH_PATHS:
            if self._instruments.active:
                draining = self._lifecycle.draining
                self._instruments.emit("request.shed", path=req.path, request_id=request_id(env), draining=draining)
            raise Problem(503, reason="shed", headers={"Retry-After": "1"})
        doubled = _doubled(env)
        if doubled:
            raise Problem(400, detail=f"{doubled} is given more than once.")
        if not self._lifecycle.started and req.path != HEALTH_PATHS[0]:
            self._lifecycle.start()

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        stamp(req, resp)


def _doubled(env: Mapping[str, Any]) -> str | None:
    """A header that may be there once only and came twice: servers join such with a comma (RFC 3875 §4.1.18).

    Who reads the first and who reads the last must not come to different answers.
    """
    host, content_type = env.get("HTTP_HOST"), env.get("CONTENT_TYPE")
    credentials = env.get("HTTP_AUTHORIZATION")
    if host and "," in host:
        return "Host"
    if content_type and "," in content_type and '"' not in content_type:
        return "Content-Type"
    # Other schemes than these have lists of parameters (RFC 9110 §11.4).
    if credentials and "," in credentials and credentials[:6].lower() in ("bearer", "basic "):
        return "Authorization"
    return None
