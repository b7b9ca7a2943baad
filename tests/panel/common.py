"""What the tests of the panel share: a shop with one upstream, and the panel in front of it."""

from __future__ import annotations

from typing import Any

from webtest import TestApp

from fastdag import App, Graph, Upstream
from fastdag.web.panel import Panel
from tests.observe.common import shop, upstream

__all__ = ["LOCAL", "TOKEN", "panelled"]

TOKEN = "an-open-sesame-of-some-length"

#: What a server says of a request that a developer's browser makes.
LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}


def panelled(graph: Graph | None = None, *, catalog: Upstream | None = None, **options: Any) -> TestApp:
    """A client of an app with the panel, which records from the beginning; `options` are the panel's."""
    app = App(ops=True, observe=[Panel(**{"always": True, **options})])
    app.add_graph("/products/{id}", graph or shop(catalog or upstream()))
    return TestApp(app)
