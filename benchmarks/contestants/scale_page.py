"""The service of `benchmarks.scale`: fastdag with its defaults; routes with no call, ten small and four large ones."""

from __future__ import annotations

import os

from fastdag import App, Graph, Upstream

upstream = Upstream("parts", os.environ["UPSTREAM"])

none = Graph("none")
none.node(id="hello", output="hello")(lambda context: "world")

small = Graph("small")
for number in range(10):
    small.fetch(f"part{number}", upstream, f"/small/{number}")

large = Graph("large")
for number in range(3):
    large.fetch(f"part{number}", upstream, f"/large/{number}")
large.fetch("part3", upstream, "/slow/3")

app = App()
for graph in (none, small, large):
    app.add_graph(f"/{graph.id}", graph)
