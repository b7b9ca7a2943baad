"""What was bought. Orders live as long as the process."""

import itertools

import falcon
import msgspec

from app.services.data import Record
from app.services.faults import breakable


class Line(msgspec.Struct, frozen=True):
    product_id: int
    quantity: int
    amount: int


class NewOrder(msgspec.Struct, frozen=True):
    customer: str
    reservation_id: str
    lines: list[Line]
    total: int


class Orders:
    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._placed: dict[int, Record] = {}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = list(self._placed)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        try:
            order = msgspec.json.decode(req.bounded_stream.read(), type=NewOrder)
        except msgspec.DecodeError as error:
            raise falcon.HTTPBadRequest(title="No order", description=str(error)) from error
        number = next(self._numbers)
        self._placed[number] = {"id": number, "state": "placed", **msgspec.to_builtins(order)}
        resp.media = self._placed[number]
        resp.status = falcon.HTTP_CREATED

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in self._placed:
            raise falcon.HTTPNotFound(title="No such order")
        resp.media = self._placed[number]


def app() -> falcon.App:
    service = breakable()
    orders = Orders()
    service.add_route("/orders", orders)
    service.add_route("/orders/{number:int}", orders, suffix="one")
    return service
