"""The services that the documentation's programs ask: `http://catalog:8080` and so on, all behind one local port."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ANSWERS: dict[str, Any] = {
    "/catalog/products/42": {"id": 42, "name": "Birch desk lamp", "price": 4900, "seller_id": 7},
    "/catalog/products/43": {"id": 43, "name": "Oak floor lamp", "price": 9900, "seller_id": 8},
    "/catalog/sellers/7": {"id": 7, "name": "Workshop 7"},
    "/catalog/sellers/8": {"id": 8, "name": "Oak and Sons"},
    "/reviews/reviews": [{"author": "Ada", "stars": 5}, {"author": "Goran", "stars": 4}],
    "/search/search": {
        "items": [
            {"id": 42, "name": "Birch desk lamp", "price": {"cents": 4900, "tax": 782}},
            {"id": 43, "name": "Oak floor lamp", "price": {"cents": 9900, "tax": 1581}},
            {"id": 44, "name": "Nothing of the sort", "price": {"cents": 1, "tax": 0}},
        ]
    },
    "/orders/orders": {"id": 7, "state": "placed"},
    "/users/users": [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Goran"}],
}


@contextmanager
def nobody() -> Iterator[str]:
    """An address at which nobody listens: bound, so that nobody else can take it, and deaf."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}"
