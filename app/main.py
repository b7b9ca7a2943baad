"""The shop: `gunicorn -c gunicorn.conf.py app.main:app`."""

from app import upstreams
from app.graphs.compare import compare
from app.graphs.home import home
from app.graphs.order import place_order, show_order
from app.graphs.product_page import product_page
from app.graphs.search import search
from app.settings import Settings
from fastdag import App

settings = Settings.from_environ()

app = App(
    max_in_flight=settings.max_in_flight,
    expose_errors=settings.expose_errors,
    on_stop=upstreams.close,
)

app.add_graph("/", home, timeout=settings.page_timeout)
app.add_graph("/products/{id:int}", product_page, timeout=settings.page_timeout)
app.add_graph("/search", search, timeout=settings.page_timeout)
app.add_graph("/compare/{left:int}/{right:int}", compare, timeout=settings.page_timeout)
app.add_graph("/orders", place_order, methods=("POST",), timeout=settings.order_timeout)
app.add_graph("/orders/{id:int}", show_order, timeout=settings.page_timeout)
