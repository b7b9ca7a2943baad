"""The shop: `gunicorn -c gunicorn.conf.py app.main:app`."""

from app import upstreams
from app.graphs.compare import compare
from app.graphs.home import home
from app.graphs.order import NewOrder, place_order, show_order
from app.graphs.product_page import product_page
from app.graphs.search import Query, search
from app.observers import observers
from app.settings import Settings
from fastdag import App

settings = Settings.from_environ()

app = App(
    max_in_flight=settings.max_in_flight,
    expose_errors=settings.expose_errors,
    ops=settings.ops_address or False,
    observe=observers(settings),
    on_stop=upstreams.close,
    title="Shop",
)

app.add_graph("/", home, timeout=settings.page_timeout)
app.add_graph("/products/{id:int(min=1)}", product_page, timeout=settings.page_timeout)
app.add_graph("/search", search, query=Query, timeout=settings.page_timeout)
app.add_graph("/compare/{left:int(min=1)}/{right:int(min=1)}", compare, timeout=settings.page_timeout)
app.add_graph(
    "/orders",
    place_order,
    methods=("POST",),
    body=NewOrder,
    timeout=settings.order_timeout,
    responses={201: "The order is placed; `Location` shows it.", 409: "Something in it cannot be had."},
)
app.add_graph("/orders/{id:int(min=1)}", show_order, timeout=settings.page_timeout)
