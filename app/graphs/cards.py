"""Products as lists show them: the name, and what prices and stock know about it."""

from collections.abc import Iterable, Mapping
from typing import Any, NotRequired, TypedDict

Record = Mapping[str, Any]


class Price(TypedDict):
    amount: int
    before: int | None
    currency: str


class Card(TypedDict):
    id: int
    name: str
    price: NotRequired[Price]
    available: NotRequired[bool]


def cards(products: Iterable[Record], prices: Iterable[Record] = (), stock: Iterable[Record] = ()) -> list[Card]:
    """A card per product. What the other services did not answer is left out of it."""
    price_of = {price["product_id"]: price for price in prices}
    stock_of = {level["product_id"]: level for level in stock}
    return [_card(product, price_of.get(product["id"]), stock_of.get(product["id"])) for product in products]


def _card(product: Record, price: Record | None, level: Record | None) -> Card:
    card: Card = {"id": product["id"], "name": product["name"]}
    if price is not None:
        card["price"] = {"amount": price["amount"], "before": price["before"], "currency": price["currency"]}
    if level is not None:
        card["available"] = level["available"] > 0
    return card
