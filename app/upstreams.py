"""The services behind the shop, and how long each may take.

Where they are is the deployment's business (`app.settings`); how they are called is ours, and stands here.
`timeout` is the total of one call, retries included. What a page cannot do without gets more time than what it can.
"""

from app.settings import Settings
from fastdag import Retry, Upstream

settings = Settings.from_environ()

catalogue = Upstream("catalogue", settings.catalogue_url, timeout=0.8, attempt_timeout=0.5)
prices = Upstream("prices", settings.prices_url, timeout=0.8, attempt_timeout=0.5)
stock = Upstream("stock", settings.stock_url, timeout=0.8, attempt_timeout=0.5)
sellers = Upstream("sellers", settings.sellers_url, timeout=0.8, attempt_timeout=0.5)

# Nice to have: one try, and not for long.
reviews = Upstream("reviews", settings.reviews_url, timeout=settings.extras_timeout, retry=None)
recommendations = Upstream(
    "recommendations", settings.recommendations_url, timeout=settings.extras_timeout, retry=None
)

# Placing an order writes to a database and is slow when it is well. A retry only ever repeats what cannot have been
# seen: a POST whose connection failed before it was sent.
orders = Upstream("orders", settings.orders_url, timeout=3.0, attempt_timeout=3.0, retry=Retry(attempts=2))

ALL = (catalogue, prices, stock, sellers, reviews, recommendations, orders)


def close():
    """Gives back the connections; the app calls it when its process ends."""
    for upstream in ALL:
        upstream.close()
