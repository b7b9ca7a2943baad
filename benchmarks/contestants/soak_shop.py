"""The service of `benchmarks.soak`: every kind of node, every policy on, and a route that counts what is there."""

from __future__ import annotations

import gc
import os
from collections import Counter

import falcon
import greenlet

from fastdag import App, Breaker, Cache, Graph, Hedge, Upstream

TIMES = {"timeout": 0.8, "attempt_timeout": 0.3, "breaker": Breaker(open=0.5, max_open=2)}
OWN = {**TIMES, "forward_headers": ("X-Token",)}

users = Upstream("users", os.environ["UPSTREAM"], **OWN)
details = Upstream("details", os.environ["UPSTREAM"], **OWN, hedge=Hedge(after=0.1))
# A user's own answers, each stored once and hardly ever found: the cache is full soon, and stays so.
extras = Upstream("extras", os.environ["UPSTREAM"], **OWN, cache=Cache(ttl=5, stale_if_error=5, max_entries=500))
shared = Upstream(
    "shared",
    os.environ["UPSTREAM"],
    **TIMES,
    cache=Cache(ttl=0.5, stale_while_revalidate=2, stale_if_error=5, max_entries=500),
    coalesce=True,
)

page = Graph("page", timeout=1.5)
page.fetch("user", users, "/user/{path.id}", output="user")
page.fetch("detail", details, "/detail/{user.path}", output="detail")
page.fetch("extra", extras, "/extra/{path.id}", optional=True, fallback={}, output="extra")
page.fetch("news", shared, "/news/{path.id}", optional=True, output="news")
page.fetch("parts", users, "/part/{item}", each="user.ids", on_item_error="null", output="parts")


@page.node(output="count")
def count(context, parts, news=None):
    return len(parts)


@page.node(sink=True)
def written_down(context, user, count):
    context.state["seen"] = user["path"]


class Census:
    """How many greenlets and objects there are, and what is in flight."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        gc.collect()
        objects = gc.get_objects()
        states = [upstream.stack.site.states for upstream in (users, details, extras, shared)]
        resp.media = {
            "greenlets": sum(isinstance(found, greenlet.greenlet) and not found.dead for found in objects),
            "objects": len(objects),
            "in_flight": sum(state["bulkhead"].describe()["in_flight"] for state in states),
            "pid": os.getpid(),
        }
        if req.get_param_as_bool("types"):
            resp.media["types"] = Counter(type(found).__qualname__ for found in objects).most_common(400)


app = App()
app.add_graph("/page/{id}", page)
app.add_route("/_census", Census())
