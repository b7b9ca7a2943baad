"""Cards join products with what other services know about them."""

from app.graphs.cards import cards

LAMP, STOOL = {"id": 1, "name": "Lamp", "seller_id": 3}, {"id": 2, "name": "Stool", "seller_id": 4}
PRICE = {"product_id": 2, "amount": 900, "before": None, "currency": "EUR"}


def test_cards_come_in_the_order_of_the_products():
    assert [card["id"] for card in cards([STOOL, LAMP], [PRICE])] == [2, 1]


def test_what_nobody_knows_is_left_out():
    assert cards([LAMP, STOOL], [PRICE], [{"product_id": 1, "available": 0}]) == [
        {"id": 1, "name": "Lamp", "available": False},
        {"id": 2, "name": "Stool", "price": {"amount": 900, "before": None, "currency": "EUR"}},
    ]
