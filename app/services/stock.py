"""What is in the warehouse, and what is put aside for an order."""

import itertools
import time
from typing import Annotated

import falcon
import msgspec

from app.services.data import STOCK, Record
from app.services.faults import breakable

RESERVED_FOR = 900.0
"""Seconds. A reservation that no order has used by then lapses, so a failed order needs no undoing."""


class Line(msgspec.Struct, frozen=True):
    product_id: int
    quantity: Annotated[int, msgspec.Meta(ge=1)]


class Stock:
    """`/stock/1` for one; `/stock?product=1&product=2` for many, unknown ones left out."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = req.get_param_as_list("product", transform=int, default=[])
        resp.media = [STOCK[number] for number in wanted if number in STOCK]

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in STOCK:
            raise falcon.HTTPNotFound(title="No such product")
        resp.media = STOCK[number]


class Reservations:
    """`POST` a list of lines: all of them are put aside, or none (409)."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._held: dict[str, tuple[float, list[Line]]] = {}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._forget_lapsed()
        resp.media = list(self._held)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._forget_lapsed()
        lines = self._read(req.bounded_stream.read())
        wanted: dict[int, int] = {}
        for line in lines:
            wanted[line.product_id] = wanted.get(line.product_id, 0) + line.quantity
        short = [number for number, quantity in wanted.items() if quantity > self._free(number)]
        if short:
            raise falcon.HTTPConflict(title="Not enough in stock", description=f"products {short}")
        number = f"r-{next(self._numbers)}"
        self._held[number] = (time.monotonic() + RESERVED_FOR, lines)
        resp.media = self._describe(number, lines)
        resp.status = falcon.HTTP_CREATED

    def _read(self, body: bytes) -> list[Line]:
        try:
            return msgspec.json.decode(body, type=list[Line])
        except msgspec.DecodeError as error:
            raise falcon.HTTPBadRequest(title="No list of lines", description=str(error)) from error

    def _free(self, product_id: int) -> int:
        held = sum(
            line.quantity for _, lines in self._held.values() for line in lines if line.product_id == product_id
        )
        available: int = STOCK.get(product_id, {"available": 0})["available"]
        return available - held

    def _forget_lapsed(self) -> None:
        now = time.monotonic()
        self._held = {number: held for number, held in self._held.items() if held[0] > now}

    def _describe(self, number: str, lines: list[Line]) -> Record:
        return {"id": number, "delivery_days": max(STOCK[line.product_id]["delivery_days"] for line in lines)}


def app() -> falcon.App:
    service = breakable()
    service.add_route("/stock", Stock())
    service.add_route("/stock/{number:int}", Stock(), suffix="one")
    service.add_route("/reservations", Reservations())
    return service
