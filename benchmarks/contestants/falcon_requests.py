"""Falcon and requests, by hand, as it is usually written: a shared session, a greenlet per call.

With TRUST_ENV=0 the session does not look at the environment for proxies and .netrc, which makes it faster.
"""

from __future__ import annotations

import os
from typing import Any

import falcon
import gevent
import requests
from requests.adapters import HTTPAdapter

UPSTREAM = os.environ["UPSTREAM"]
session = requests.Session()
session.trust_env = os.environ.get("TRUST_ENV") != "0"
session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=256))


def part(number: int) -> Any:
    response = session.get(f"{UPSTREAM}/part/{number}", timeout=30)
    response.raise_for_status()
    return response.json()


class Page:
    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        calls = [gevent.spawn(part, number) for number in range(10)]
        gevent.joinall(calls, raise_error=True)
        merged: dict[str, Any] = {}
        for call in calls:
            merged.update(call.value)
        response.media = merged


app = falcon.App()
app.add_route("/page", Page())
