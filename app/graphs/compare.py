"""`GET /compare/{left}/{right}`: two products side by side, and which of them wins at what."""

from app import upstreams
from fastdag import Graph

compare = Graph("compare")


def side(name):
    """What is asked about one of the two."""
    compare.fetch(f"{name}_product", upstreams.catalogue, f"/products/{{path.{name}}}", relay=(404,))
    compare.fetch(f"{name}_price", upstreams.prices, f"/prices/{{path.{name}}}", relay=(404,))
    compare.fetch(f"{name}_reviews", upstreams.reviews, f"/reviews/{{path.{name}}}", optional=True)


side("left")
side("right")


@compare.node(output="left")
def left(context, left_product, left_price, left_reviews=None):
    return column(left_product, left_price, left_reviews)


@compare.node(output="right")
def right(context, right_product, right_price, right_reviews=None):
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


@compare.node(output="winner")
def winner(context, left, right):
    verdict = {"price": better(left["amount"], right["amount"], lower=True)}
    if left["stars"] is not None and right["stars"] is not None:
        verdict["stars"] = better(left["stars"], right["stars"])
    return verdict


def better(left, right, *, lower=False):
    """Which of two figures wins; `None` if they are equal."""
    if left == right:
        return None
    return "left" if (left < right) == lower else "right"
