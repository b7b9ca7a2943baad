"""Who sells."""

import falcon

from app.services.data import SELLERS
from app.services.faults import breakable


class Seller:
    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in SELLERS:
            raise falcon.HTTPNotFound(title="No such seller")
        resp.media = SELLERS[number]


def app() -> falcon.App:
    service = breakable()
    service.add_route("/sellers/{number:int}", Seller())
    return service
