"""`GET /compare/{left}/{right}`: two products side by side, and which of them wins at what."""

from typing import Literal, TypedDict

from app import upstreams
from fastdag import Graph

# What is asked about one of the two. `compare` includes it twice, and says which product it is about.
side = Graph("side")
side.fetch("product", upstreams.catalogue, "/products/{number}", relay=(404,))
side.fetch("price", upstreams.prices, "/prices/{number}", relay=(404,))
side.fetch("reviews", upstreams.reviews, "/reviews/{number}", optional=True)

compare = Graph("compare")


@compare.node
def left_number(context):
    return context.path["left"]


@compare.node
def right_number(context):
    return context.path["right"]


compare.include(side, prefix="left_", bind={"number": "left_number"})
compare.include(side, prefix="right_", bind={"number": "right_number"})


class Column(TypedDict):
    id: int
    name: str
    amount: int
    currency: str
    stars: float | None


@compare.node(output="left")
def left(context, left_product, left_price, left_reviews=None) -> Column:
    return column(left_product, left_price, left_reviews)


@compare.node(output="right")
def right(context, right_product, right_price, right_reviews=None) -> Column:
    return column(right_product, right_price, right_reviews)


def column(product, price, reviews):
    """One of the two, as the page shows it."""
    return {
        "id": product["id"],
        "name": product["name"],
        "amount": price["amount"],
        "currency": price["currency"],
        "stars": reviews and reviews["average"],
    }


Side = Literal["left", "right"]


@compare.node(output="winner")
def winner(context, left, right) -> dict[str, Side | None]:
    """Which of the two is cheaper, and which is liked better; null if neither is."""
    verdict = {"price": better(left["amount"], right["amount"], lower=True)}
    if left["stars"] is not None and right["stars"] is not None:
        verdict["stars"] = better(left["stars"], right["stars"])
    return verdict


def better(left, right, *, lower=False) -> Side | None:
    """Which of two figures wins; `None` if they are equal."""
    if left == right:
        return None
    return "left" if (left < right) == lower else "right"
