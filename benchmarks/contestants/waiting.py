"""A page that takes 0.1 s and hardly any CPU, so that what may be in flight decides how many are served."""

from __future__ import annotations

import os
from typing import Any

import gevent

from fastdag import App, Graph

page = Graph("page")


@page.node
def waited(context: Any) -> dict[str, float]:
    gevent.sleep(0.1)
    return {"seconds": 0.1}


app = App(max_in_flight=int(os.environ["ADMISSION"]))
app.add_graph("/page", page)
