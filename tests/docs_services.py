"""The services that the documentation's programs ask: `http://catalog:8080` and so on, all behind one local port."""

from typing import Any

ANSWERS: dict[str, Any] = {
    "/catalog/products/42": {"id": 42, "name": "Birch desk lamp", "price": 4900, "seller_id": 7},
    "/catalog/sellers/7": {"id": 7, "name": "Workshop 7"},
    "/reviews/reviews": [{"author": "Ada", "stars": 5}, {"author": "Goran", "stars": 4}],
}
