"""`POST /orders` places an order, and `GET /orders/{id}`, where its answer points to, shows it."""

from typing import Annotated

import falcon
import msgspec

from app import upstreams
from app.graphs.cards import Card, cards
from fastdag import Graph


class Line(msgspec.Struct, frozen=True):
    product_id: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=99)]


class NewOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    customer: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    lines: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=50)]


class Receipt(msgspec.Struct, frozen=True):
    id: int
    total: Annotated[int, msgspec.Meta(description="In cents.")]
    delivery_days: int


place_order = Graph("place_order")


@place_order.node
def product_ids(context):
    return [line.product_id for line in context.json.lines]


place_order.fetch("prices", upstreams.prices, "/prices", params={"product": "{product_ids}"})


@place_order.node
def priced(context, prices):
    amounts = {price["product_id"]: price["amount"] for price in prices}
    unknown = [line.product_id for line in context.json.lines if line.product_id not in amounts]
    if unknown:
        raise falcon.HTTPConflict(title="Not for sale", description=f"there are no products {unknown}")
    return [
        {"product_id": line.product_id, "quantity": line.quantity, "amount": amounts[line.product_id]}
        for line in context.json.lines
    ]


@place_order.node
def total(context, priced):
    return sum(line["quantity"] * line["amount"] for line in priced)


# One step after another from here on, because each changes something. An order that then fails needs no undoing:
# the stock service lets go of reservations that no order has used.
place_order.fetch("reservation", upstreams.stock, "/reservations", method="POST", json="{priced}", relay=(409,))
place_order.fetch(
    "order",
    upstreams.orders,
    "/orders",
    method="POST",
    json={
        "customer": "{json.customer}",
        "reservation_id": "{reservation.id}",
        "lines": "{priced}",
        "total": "{total}",
    },
)


@place_order.node
def receipt(context, order, reservation) -> Receipt:
    context.response.status = 201
    context.response.headers["Location"] = f"/orders/{order['id']}"
    return Receipt(order["id"], order["total"], reservation["delivery_days"])


show_order = Graph("show_order")

# Reading is quick where writing is not: one try, without the upstream's patience.
show_order.fetch("order", upstreams.orders, "/orders/{path.id}", timeout=0.8, retry=None, relay=(404,), output="order")


@show_order.node(id="product_ids")
def ordered_ids(context, order):
    return [line["product_id"] for line in order["lines"]]


show_order.fetch("products", upstreams.catalogue, "/products", params={"id": "{product_ids}"}, optional=True)


@show_order.node(output="products", fallback=[])
def ordered(context, products) -> list[Card]:
    return cards(products)
