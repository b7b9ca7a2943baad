"""The services that the shop aggregates: small, real, and easy to break on purpose.

All of them run in one process, each on a port of its own: `python -m app.services`.
"""

FIRST_PORT = 9101
NAMES = ("catalogue", "prices", "stock", "reviews", "recommendations", "sellers", "orders")
"""In the order of their ports."""
