"""The shop's routes, in this process, in front of its real services."""

import time

import pytest
import requests

from tests.machine import PAUSE

PRODUCT = "/products/42"


def placed(services):
    """How many orders and reservations there are."""
    orders = requests.get(f"{services['orders']}/orders", timeout=5).json()
    reservations = requests.get(f"{services['stock']}/reservations", timeout=5).json()
    return len(orders), len(reservations)


def an_order(**changes):
    return {"customer": "Ada", "lines": [{"product_id": 42, "quantity": 1}]} | changes


def test_the_product_page_is_merged_from_six_services(shop):
    page = shop.get(PRODUCT)
    assert list(page.json) == ["product", "price", "stock", "reviews", "seller", "recommendations"]
    assert page.json["product"]["id"] == page.json["price"]["product_id"] == 42
    assert page.json["seller"]["id"] == page.json["product"]["seller_id"]
    assert len(page.json["recommendations"]) == 4
    assert all(card["name"] and card["price"] for card in page.json["recommendations"])
    assert page.headers["Fastdag-Complete"] == "true"


def test_every_answer_has_the_same_bytes(shop):
    assert len({shop.get(PRODUCT).body for _ in range(20)}) == 1


@pytest.mark.parametrize(
    ("name", "key", "missing"),
    [
        ("reviews", "reviews", "reviews;reason=status"),
        ("stock", "stock", "stock;reason=status"),
        ("sellers", "seller", "seller;reason=status"),
    ],
)
def test_a_page_without_what_it_can_do_without_says_so(shop, fault, name, key, missing):
    whole = shop.get(PRODUCT).json
    fault(name, status=500)
    page = shop.get(PRODUCT)
    assert page.status_int == 200
    assert page.json == {other: whole[other] for other in whole if other != key}
    assert page.headers["Fastdag-Complete"] == "false"
    assert page.headers["Fastdag-Missing"] == missing
    assert page.headers["Cache-Control"] == "no-store"


def test_recommendations_that_hang_leave_an_empty_list_and_do_not_hold_the_page(shop, fault):
    fault("recommendations", hang=True)
    started = time.monotonic()
    page = shop.get(PRODUCT)
    assert time.monotonic() - started < 1 + 2 * PAUSE  # their own second, and not the page's five
    assert page.json["recommendations"] == []
    assert page.headers["Fastdag-Missing"].startswith("related;reason=timeout, ")


@pytest.mark.parametrize(("how", "status"), [({"hang": True}, 504), ({"status": 500}, 502), ({"status": 503}, 503)])
def test_there_is_no_page_without_a_price(shop, fault, how, status):
    fault("prices", **how)
    refused = shop.get(PRODUCT, status=status)
    assert refused.content_type == "application/problem+json"
    assert refused.json["node"] == "price"


@pytest.mark.parametrize("path", ["/products/301", "/compare/42/301", "/orders/999999"])
def test_what_is_not_there_is_404(shop, path):
    shop.get(path, status=404)


def test_the_home_page_shows_categories_what_is_popular_and_what_is_cheaper(shop):
    page = shop.get("/").json
    assert list(page) == ["categories", "popular", "offers"]
    assert all(card["price"] for card in page["popular"])
    assert all(card["price"]["before"] > card["price"]["amount"] for card in page["offers"])


def test_the_home_page_is_there_without_recommendations(shop, fault):
    fault("recommendations", status=500)
    page = shop.get("/")
    assert page.json["popular"] == []
    assert page.json["offers"]
    assert "popular;reason=dependency;fallback" in page.headers["Fastdag-Missing"]


def test_search_finds_by_word_and_says_how_many(shop):
    found = shop.get("/search?q=lamp&limit=3").json
    assert found["total"] > 3
    assert [set(card) for card in found["products"]] == [{"id", "name", "price", "available"}] * 3


def test_a_search_that_finds_nothing_is_complete(shop):
    found = shop.get("/search?q=unicorn")
    assert found.json == {"total": 0, "products": []}
    assert found.headers["Fastdag-Complete"] == "true"


def test_a_search_for_the_total_alone_asks_the_catalogue_alone(shop, fault):
    fault("prices", status=500)
    fault("stock", status=500)
    found = shop.get("/search?q=lamp&fields=total")
    assert list(found.json) == ["total"]
    assert found.headers["Fastdag-Complete"] == "true"


def test_a_search_value_cannot_add_a_parameter_upstream(shop):
    assert shop.get("/search", {"q": "lamp&category=garden"}).json["total"] == 0


def test_a_search_with_a_limit_that_makes_no_sense_is_the_clients_fault(shop):
    refused = shop.get("/search?limit=0", status=422)
    assert refused.json["errors"][0]["pointer"] == "/limit"


def test_search_without_prices_shows_names(shop, fault):
    fault("prices", status=500)
    found = shop.get("/search?q=lamp&limit=1")
    assert set(found.json["products"][0]) == {"id", "name", "available"}
    assert found.headers["Fastdag-Missing"] == "prices;reason=status"


def test_a_comparison_names_the_cheaper_one(shop):
    both = shop.get("/compare/1/2").json
    cheaper = min(("left", "right"), key=lambda side: both[side]["amount"])
    assert both["winner"]["price"] == cheaper
    assert both["winner"]["stars"] in ("left", "right", None)


def test_a_product_compared_with_itself_wins_nothing(shop):
    assert shop.get("/compare/42/42").json["winner"] == {"price": None, "stars": None}


def test_a_comparison_without_reviews_compares_the_rest(shop, fault):
    fault("reviews", status=500)
    both = shop.get("/compare/1/2")
    assert set(both.json["winner"]) == {"price"}
    assert both.json["left"]["stars"] is None
    assert both.headers["Fastdag-Missing"] == "left_reviews;reason=status, right_reviews;reason=status"


def test_an_order_is_created_and_its_location_shows_it(shop):
    price = shop.get(PRODUCT).json["price"]["amount"]
    created = shop.post_json("/orders", an_order(), status=201)
    assert created.json["total"] == price
    shown = shop.get(created.headers["Location"]).json
    assert shown["order"]["id"] == created.json["id"]
    assert shown["order"]["customer"] == "Ada"
    assert [product["id"] for product in shown["products"]] == [42]


@pytest.mark.parametrize(
    "order",
    [
        {},
        [],
        an_order(lines=[]),
        an_order(customer=""),
        an_order(coupon="X"),
        an_order(lines=[{"product_id": 42, "quantity": 0}]),
        an_order(lines=[{"product_id": 0, "quantity": 1}]),
    ],
)
def test_an_order_that_makes_no_sense_changes_nothing(shop, services, order):
    before = placed(services)
    refused = shop.post_json("/orders", order, status=422)
    assert refused.content_type == "application/problem+json"
    assert placed(services) == before


@pytest.mark.parametrize("line", [{"product_id": 42, "quantity": 99}, {"product_id": 301, "quantity": 1}])
def test_more_than_there_is_cannot_be_ordered(shop, services, line):
    before = placed(services)
    shop.post_json("/orders", an_order(lines=[line]), status=409)
    assert placed(services) == before


@pytest.mark.parametrize(("failure", "status"), [(500, 502), (503, 503)])
def test_an_order_whose_answer_is_lost_is_not_sent_twice(shop, services, fault, failure, status):
    orders, reservations = placed(services)
    fault("orders", status=failure, late=True)
    shop.post_json("/orders", an_order(), status=status)
    fault("orders")
    assert placed(services) == (orders + 1, reservations + 1)


def test_orders_are_not_listed_and_cannot_be_deleted(shop):
    shop.get("/orders", status=405)
    shop.delete("/orders/1", status=405)
