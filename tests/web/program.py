"""The app that the tests of this folder put behind real gunicorn; its upstream is in the test's own process."""

from __future__ import annotations

import os
from typing import Any

from fastdag import App, Graph, Upstream

back = Upstream(
    "back",
    os.environ["BACK"],
    timeout=3.0,
    attempt_timeout=3.0,
    connect_timeout=3.0,
    retry=None,
    breaker=None,
    forward_headers=("accept-language",),
)

solo = Graph("solo", timeout=5.0)
solo.fetch("thing", back, "/items/{path.id}", params={"q": "{query.q?}"}, headers={"X-Tenant": "{query.tenant?}"})

page = Graph("page", timeout=5.0)
page.fetch("user", back, "/user", output="user")
page.fetch("detail", back, "/detail/{user.id}", output="detail")
# After the user, so that a page that fails has no call on its way, which would reach the upstream in the next test.
page.fetch(
    "ads", back, "/ads", after="user", optional=True, timeout=0.8, output="ads", return_headers={"X-Total": "last"}
)

order = Graph("order", timeout=5.0)
order.fetch("charge", back, "/charge", method="POST", json="{json}", output="charge")
order.fetch("audit", back, "/audit", method="POST", json={"size": "{json.size}"}, output="audit")

secret = Graph("secret")


@secret.node
def leak(context: Any) -> None:
    raise ValueError("token=SECRET at 10.0.0.5")


echo = Graph("echo")


@echo.node
def said(context: Any) -> dict[str, Any]:
    return {"client": context.client, "query": context.query, "in_flight": app.in_flight}


live = Graph("live", timeout=5.0)
live.fetch("slow", back, "/slow", output="slow", timeout=2.5)


@live.node(output="quick")
def quick(context: Any) -> int:
    return 1


app = App(trusted=("127.0.0.0/8",) if os.environ.get("TRUSTED") else ())
app.add_graph("/solo/{id}", solo)
app.add_graph("/page", page)
app.add_graph("/order", order, methods=("POST", "PUT", "PATCH"))
app.add_graph("/secret", secret)
app.add_graph("/echo", echo)
app.add_graph("/live", live, stream=True)
