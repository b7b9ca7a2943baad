"""Falcon and geventhttpclient, by hand: a client with a pool, a greenlet per call."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urlsplit

import falcon
import gevent
from geventhttpclient import HTTPClient

UPSTREAM = urlsplit(os.environ["UPSTREAM"])
client = HTTPClient.from_url(f"http://{UPSTREAM.netloc}", concurrency=64, connection_timeout=30, network_timeout=30)


def part(number: int) -> Any:
    response = client.get(f"{UPSTREAM.path}/part/{number}")
    if response.status_code != 200:
        raise RuntimeError(f"part {number}: status {response.status_code}")
    return json.loads(response.read())


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
