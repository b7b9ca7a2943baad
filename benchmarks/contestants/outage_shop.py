"""The service of `benchmarks.outage`: one route whose upstream will fail, and one that never asks that upstream."""

from __future__ import annotations

import os

from fastdag import App, Breaker, Graph, Upstream

failing = Upstream("failing", os.environ["UPSTREAM"], breaker=Breaker(open=0.5, max_open=2))
healthy = Upstream("healthy", os.environ["HEALTHY"])

through = Graph("through")
through.fetch("answer", failing, "/answer")

beside = Graph("beside")
beside.fetch("answer", healthy, "/answer")

app = App()
app.add_graph("/through", through)
app.add_graph("/beside", beside)
