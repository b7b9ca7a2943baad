"""`GET /products/{id}`: a product, what it costs, who sells it, what buyers say, and what else they may like."""

import msgspec

from app import upstreams
from app.graphs.cards import Card, cards
from fastdag import Graph


class Product(msgspec.Struct, frozen=True):
    """What the page shows of what the catalogue knows."""

    id: int
    name: str
    category: str
    description: str
    seller_id: int


product_page = Graph("product_page")

# Without these there is no page. Both may be the first to say that there is no such product.
product_page.fetch("product", upstreams.catalogue, "/products/{path.id}", type=Product, relay=(404,), output="product")
product_page.fetch("price", upstreams.prices, "/prices/{path.id}", relay=(404,), output="price")

# The page is worth showing without any of these: the answer says what is missing.
product_page.fetch("stock", upstreams.stock, "/stock/{path.id}", optional=True, output="stock")
product_page.fetch("reviews", upstreams.reviews, "/reviews/{path.id}", optional=True, output="reviews")
product_page.fetch("seller", upstreams.sellers, "/sellers/{product.seller_id}", optional=True, output="seller")

product_page.fetch("related", upstreams.recommendations, "/related/{path.id}", optional=True)
product_page.fetch(
    "related_products", upstreams.catalogue, "/products", params={"id": "{related.product_ids}"}, optional=True
)
product_page.fetch(
    "related_prices", upstreams.prices, "/prices", params={"product": "{related.product_ids}"}, optional=True
)


@product_page.node(output="recommendations", fallback=[])
def recommendations(context, related_products, related_prices=()) -> list[Card]:
    return cards(related_products, related_prices)
