"""What else somebody might like; product ids only, the catalogue knows the rest."""

import falcon

from app.services.data import PRODUCTS, popular, related_to
from app.services.faults import breakable


class Related:
    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in PRODUCTS:
            raise falcon.HTTPNotFound(title="No such product")
        resp.media = {"product_ids": related_to(number, limit=4)}


class Popular:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"product_ids": popular(limit=8)}


def app() -> falcon.App:
    service = breakable()
    service.add_route("/related/{number:int}", Related())
    service.add_route("/popular", Popular())
    return service
