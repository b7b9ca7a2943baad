"""`/livez` and `/readyz`, for whoever decides about restarts and about traffic.

Neither looks at upstreams: an upstream that is down is answered for by partial answers and breakers, and a service
that reports itself unready for it turns one outage into two.
"""

from __future__ import annotations

import falcon

from fastdag.shape.encode import encode
from fastdag.web.lifecycle import Lifecycle
from fastdag.web.problem import Problem

__all__ = ["HEALTH_PATHS", "Live", "Ready"]

HEALTH_PATHS = ("/livez", "/readyz")


def _say_ok(resp: falcon.Response) -> None:
    resp.data = encode({"status": "ok"})
    resp.content_type = falcon.MEDIA_JSON
    resp.set_header("Cache-Control", "no-store")


class Live:
    """Answers as long as the loop turns: if it does not, restart the process."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _say_ok(resp)

    on_head = on_get


class Ready:
    """Answers 503 from the moment the process is told to stop: send no new traffic."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if self._lifecycle.draining:
            raise Problem(503, detail="This process is shutting down.", headers={"Retry-After": "1"})
        _say_ok(resp)

    on_head = on_get
