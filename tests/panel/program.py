"""The reference app's graphs with the panel on; what the browser looks at."""

from __future__ import annotations

import os

from app.graphs.home import home
from app.graphs.order import NewOrder, place_order
from app.graphs.product_page import product_page
from app.graphs.search import Query, search
from fastdag import App, Cache, Graph, Upstream
from fastdag.web.panel import Panel

cached = Graph("cached")
kept = Upstream("kept", os.environ["SHOP_CATALOGUE_URL"], cache=Cache(ttl=60))
cached.fetch("<product> & 'more'", kept, "/products/{path.id}")

app = App(ops=True, observe=[Panel(token=os.environ.get("PANEL_TOKEN"), always=True, interval=0.2, viewers=4)])
app.add_graph("/", home, timeout=5.0)
app.add_graph("/products/{id:int}", product_page, timeout=5.0)
app.add_graph("/search", search, query=Query, timeout=5.0)
app.add_graph("/orders", place_order, methods=("POST",), body=NewOrder, timeout=5.0)
app.add_graph("/cached/{id:int}", cached)
