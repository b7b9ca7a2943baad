"""`GET /search?q=&category=&limit=`: products by word and category, with prices and whether they are there."""

from typing import Annotated

import msgspec

from app import upstreams
from app.graphs.cards import Card, cards
from fastdag import Graph

# Control characters may not go upstream: saying so here tells the client which value is wrong.
Text = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Query(msgspec.Struct, frozen=True):
    q: Text = ""
    category: Text | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10


search = Graph("search")

search.fetch(
    "found",
    upstreams.catalogue,
    "/products/search",
    params={"q": "{query.q}", "category": "{query.category?}", "limit": "{query.limit}"},
)


@search.node
def product_ids(context, found):
    return [product["id"] for product in found["products"]]


def any_found(context, product_ids):
    return bool(product_ids)


search.fetch("prices", upstreams.prices, "/prices", params={"product": "{product_ids}"}, when=any_found, optional=True)
search.fetch("stock", upstreams.stock, "/stock", params={"product": "{product_ids}"}, when=any_found, optional=True)


@search.node(output="total")
def total(context, found) -> int:
    return found["total"]


@search.node(output="products")
def products(context, found, prices=(), stock=()) -> list[Card]:
    return cards(found["products"], prices, stock)
