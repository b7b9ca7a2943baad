"""The services behind the shop, and how long each may take.

Where they are is the deployment's business (`app.settings`); how they are called is ours, and stands here.
`timeout` is the total of one call, retries included. What a page cannot do without gets more time than what it can.
"""

from app.settings import Settings
from fastdag import Cache, Retry, Upstream

settings = Settings.from_environ()


def shared(ttl):
    """A cache that all workers on all machines share, where the deployment has one; it needs the extra `redis`."""
    if not settings.cache_url:
        return None
    from fastdag.upstream.policies.redis import RedisStore

    store = RedisStore(settings.cache_url, prefix="shop")
    return Cache(ttl=ttl, stale_while_revalidate=30, stale_if_error=600, store=store)


# What a product is changes seldom, what it costs and whether there is one of it does not wait.
catalogue = Upstream("catalogue", settings.catalogue_url, timeout=0.8, attempt_timeout=0.5, cache=shared(60))
prices = Upstream("prices", settings.prices_url, timeout=0.8, attempt_timeout=0.5)
stock = Upstream("stock", settings.stock_url, timeout=0.8, attempt_timeout=0.5)
sellers = Upstream("sellers", settings.sellers_url, timeout=0.8, attempt_timeout=0.5, cache=shared(300))

# Nice to have: one try, and not for long.
reviews = Upstream("reviews", settings.reviews_url, timeout=settings.extras_timeout, retry=None, cache=shared(30))
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
