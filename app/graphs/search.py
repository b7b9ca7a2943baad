"""`GET /search?q=&category=&limit=`: products by word and category, with prices and whether they are there."""

from app import upstreams
from app.graphs.cards import cards
from fastdag import Graph

search = Graph("search")

search.fetch(
    "found",
    upstreams.catalogue,
    "/products/search",
    params={"q": "{query.q?}", "category": "{query.category?}", "limit": "{query.limit?}"},
    relay=(400,),
)


@search.node
def product_ids(context, found):
    return [product["id"] for product in found["products"]]


def any_found(context, product_ids):
    return bool(product_ids)


search.fetch("prices", upstreams.prices, "/prices", params={"product": "{product_ids}"}, when=any_found, optional=True)
search.fetch("stock", upstreams.stock, "/stock", params={"product": "{product_ids}"}, when=any_found, optional=True)


@search.node
def results(context, found, prices=(), stock=()):
    return {"total": found["total"], "products": cards(found["products"], prices, stock)}
