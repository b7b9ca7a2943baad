"""What things cost, in cents."""

import falcon

from app.services.data import PRICES
from app.services.faults import breakable


class Prices:
    """`/prices/1` for one; `/prices?product=1&product=2` for many, unknown ones left out; `/prices/reduced`."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = req.get_param_as_list("product", transform=int, default=[])
        resp.media = [PRICES[number] for number in wanted if number in PRICES]

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in PRICES:
            raise falcon.HTTPNotFound(title="No such product")
        resp.media = PRICES[number]

    def on_get_reduced(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = [price for price in PRICES.values() if price["before"] is not None][:8]


def app() -> falcon.App:
    service = breakable()
    service.add_route("/prices", Prices())
    service.add_route("/prices/reduced", Prices(), suffix="reduced")
    service.add_route("/prices/{number:int}", Prices(), suffix="one")
    return service
