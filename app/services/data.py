"""What the shop sells: three hundred products, made up the same way every time."""

from random import Random
from typing import Any

Record = dict[str, Any]

CATEGORIES = {
    "lighting": ("desk lamp", "floor lamp", "pendant", "lantern"),
    "kitchen": ("kettle", "chopping board", "mixing bowl", "pepper mill"),
    "furniture": ("stool", "bookshelf", "side table", "coat stand"),
    "textiles": ("blanket", "cushion", "table runner", "rug"),
    "garden": ("watering can", "planter", "bench", "bird house"),
}
_MATERIALS = (
    "walnut",
    "oak",
    "copper",
    "linen",
    "slate",
    "cork",
    "brass",
    "felt",
    "enamel",
    "wicker",
    "clay",
    "birch",
)
_TOWNS = ("Ghent", "Porto", "Tartu", "Graz", "Aarhus", "Split", "Leiden", "Turin")
_OPINIONS = {
    5: ("Better than the pictures.", "A gift that stayed with me instead."),
    4: ("Good, and heavier than expected.", "Does what it should."),
    3: ("Fine for the price.", "The colour is a little off."),
    2: ("Arrived with a scratch.", "Wobbles."),
    1: ("Sent it back.", "Not for me."),
}
_READERS = ("Ada", "Bela", "Chidi", "Dana", "Emre", "Freya", "Goran", "Hana", "Ines", "Jonas")


def _product(number: int) -> Record:
    chance = Random(number)
    category = chance.choice(tuple(CATEGORIES))
    kind = chance.choice(CATEGORIES[category])
    material = chance.choice(_MATERIALS)
    return {
        "id": number,
        "name": f"{material.capitalize()} {kind}",
        "category": category,
        "description": f"A {kind} of {material}, made in small numbers.",
        "seller_id": chance.randrange(1, 21),
    }


def _seller(number: int) -> Record:
    chance = Random(f"seller {number}")
    town = chance.choice(_TOWNS)
    return {"id": number, "name": f"Workshop {number}, {town}", "town": town, "rating": chance.randrange(35, 50) / 10}


def _price(number: int) -> Record:
    chance = Random(f"price {number}")
    amount = chance.randrange(900, 24_000, 50)
    before = amount + chance.randrange(500, 3_000, 50) if chance.random() < 0.2 else None
    return {"product_id": number, "amount": amount, "before": before, "currency": "EUR"}


def _stock(number: int) -> Record:
    chance = Random(f"warehouse {number}")
    available = chance.choice((0, 1, 3, 8, 20, 50))
    return {"product_id": number, "available": available, "delivery_days": 2 if available else 14}


def _review(chance: Random) -> Record:
    stars = chance.choice((1, 2, 3, 4, 4, 4, 5, 5, 5, 5))
    return {"author": chance.choice(_READERS), "stars": stars, "text": chance.choice(_OPINIONS[stars])}


def _reviews(number: int) -> Record:
    chance = Random(f"reviews {number}")
    latest = [_review(chance) for _ in range(chance.randrange(1, 9))]
    average = round(sum(review["stars"] for review in latest) / len(latest), 1)
    return {"product_id": number, "count": len(latest), "average": average, "latest": latest[:3]}


PRODUCTS = {number: _product(number) for number in range(1, 301)}
SELLERS = {number: _seller(number) for number in range(1, 21)}
PRICES = {number: _price(number) for number in PRODUCTS}
STOCK = {number: _stock(number) for number in PRODUCTS}
REVIEWS = {number: _reviews(number) for number in PRODUCTS}


def related_to(number: int, limit: int) -> list[int]:
    """Other products of the same category, the same ones every time."""
    category = PRODUCTS[number]["category"]
    others = [other["id"] for other in PRODUCTS.values() if other["category"] == category and other["id"] != number]
    return Random(f"related {number}").sample(others, min(limit, len(others)))


def popular(limit: int) -> list[int]:
    """The products with the most reviews."""
    by_reviews = sorted(REVIEWS.values(), key=lambda reviews: (-reviews["count"], reviews["product_id"]))
    return [reviews["product_id"] for reviews in by_reviews[:limit]]
