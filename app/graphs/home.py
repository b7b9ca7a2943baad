"""`GET /`: the categories, what is popular, and what is cheaper than it was."""

from app import upstreams
from app.graphs.cards import Card, cards
from fastdag import Graph

home = Graph("home")

home.fetch("categories", upstreams.catalogue, "/categories", output="categories")

home.fetch("popular_ids", upstreams.recommendations, "/popular", optional=True)
home.fetch(
    "popular_products", upstreams.catalogue, "/products", params={"id": "{popular_ids.product_ids}"}, optional=True
)
home.fetch(
    "popular_prices", upstreams.prices, "/prices", params={"product": "{popular_ids.product_ids}"}, optional=True
)


@home.node(output="popular", fallback=[])
def popular(context, popular_products, popular_prices=()) -> list[Card]:
    return cards(popular_products, popular_prices)


home.fetch("reduced", upstreams.prices, "/prices/reduced", optional=True)


@home.node
def reduced_ids(context, reduced):
    return [price["product_id"] for price in reduced]


home.fetch("reduced_products", upstreams.catalogue, "/products", params={"id": "{reduced_ids}"}, optional=True)


@home.node(output="offers", fallback=[])
def offers(context, reduced_products, reduced) -> list[Card]:
    return cards(reduced_products, reduced)
