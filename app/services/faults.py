"""A switch on every service that makes it slow, fail or hang while it runs.

curl -X PUT 127.0.0.1:9104/_fault -d '{"delay": 0.5}'
curl -X PUT 127.0.0.1:9104/_fault -d '{"status": 500}'
curl -X PUT 127.0.0.1:9104/_fault -d '{"hang": true}'
curl -X PUT 127.0.0.1:9104/_fault -d '{}'
"""

import time
from threading import Event
from typing import Annotated

import falcon
import msgspec

PATH = "/_fault"


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is wrong with a service: seconds of delay, a status instead of an answer, or no answer at all.

    With `late` the request is carried out first: an order is placed, and nobody hears of it.
    """

    delay: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    hang: bool = False
    late: bool = False


class Switch:
    """Falcon middleware that breaks every request as the switch says, and the resource that turns the switch."""

    def __init__(self) -> None:
        self._fault = Fault()
        self._changed = Event()

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._strike(req, late=False)

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: object, ok: bool) -> None:
        self._strike(req, late=True)

    def _strike(self, req: falcon.Request, *, late: bool) -> None:
        fault = self._fault
        if req.path == PATH or fault.late is not late:
            return
        time.sleep(fault.delay)
        if fault.hang:
            self._changed.wait()
        if fault.status is not None:
            raise falcon.HTTPError(fault.status, title="Switched to fail")

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = msgspec.json.encode(self._fault)

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            self._fault = msgspec.json.decode(req.bounded_stream.read(), type=Fault)
        except msgspec.DecodeError as error:
            raise falcon.HTTPBadRequest(title="No such fault", description=str(error)) from error
        changed, self._changed = self._changed, Event()
        changed.set()
        self.on_get(req, resp)


def breakable() -> falcon.App:
    """A Falcon app with the switch on it."""
    switch = Switch()
    app = falcon.App(middleware=[switch])
    app.add_route(PATH, switch)
    return app
