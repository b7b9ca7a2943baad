"""fastdag, with its defaults: a graph of ten fetches.

With PATIENT=1, for upstreams that take a second and ten thousand calls in flight, there is no bulkhead, no bound on
admission, and every timeout is 30 s. With OBSERVED=1, metrics and the timeline are on.
"""

from __future__ import annotations

import os
from typing import Any

from fastdag import App, Graph, Upstream
from fastdag.observe.metrics import Metrics
from fastdag.observe.timeline import Timeline

PATIENT = os.environ.get("PATIENT") == "1"
patience: dict[str, Any] = {"timeout": 30, "attempt_timeout": 30, "connect_timeout": 30, "bulkhead": None}
upstream = Upstream("parts", os.environ["UPSTREAM"], **(patience if PATIENT else {}))

page = Graph("page", timeout=30 if PATIENT else 2)
for number in range(10):
    page.fetch(f"fetch{number}", upstream, f"/part/{number}")

observers = [Metrics(), Timeline()] if os.environ.get("OBSERVED") == "1" else []
app = App(observe=observers, **({"max_in_flight": None} if PATIENT else {}))
app.add_graph("/page", page)
