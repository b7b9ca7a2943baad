"""The catalogue: what there is, by id, by word and by category."""

import falcon

from app.services.data import CATEGORIES, PRODUCTS
from app.services.faults import breakable


class Product:
    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        if number not in PRODUCTS:
            raise falcon.HTTPNotFound(title="No such product")
        resp.media = PRODUCTS[number]


class Products:
    """`?id=1&id=2` for the products by id, unknown ones left out; `/search` finds them by word and category."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = req.get_param_as_list("id", transform=int, default=[])
        resp.media = [PRODUCTS[number] for number in wanted if number in PRODUCTS]

    def on_get_search(self, req: falcon.Request, resp: falcon.Response) -> None:
        word = req.get_param("q", default="").lower()
        category = req.get_param("category")
        limit = req.get_param_as_int("limit", min_value=1, max_value=50, default=10)
        found = [
            product
            for product in PRODUCTS.values()
            if word in product["name"].lower() and category in (None, product["category"])
        ]
        resp.media = {"total": len(found), "products": found[:limit]}


class Categories:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = list(CATEGORIES)


def app() -> falcon.App:
    service = breakable()
    service.add_route("/products", Products())
    service.add_route("/products/search", Products(), suffix="search")
    service.add_route("/products/{number:int}", Product())
    service.add_route("/categories", Categories())
    return service
