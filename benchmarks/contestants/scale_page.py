"""The service of `benchmarks.scale`: fastdag; routes with no call, ten small and four large ones."""

from __future__ import annotations

import os

from fastdag import App, Bulkhead, Graph, Upstream

# With room for ten calls of every connection; the rest is as it is by default.
upstream = Upstream("parts", os.environ["UPSTREAM"], bulkhead=Bulkhead(limit=1024))

none = Graph("none")
none.node(id="hello", output="hello")(lambda context: "world")


def page(id: str, *paths: str) -> Graph:
    graph = Graph(id)
    for number, path in enumerate(paths):
        graph.fetch(f"part{number}", upstream, path)
    return graph


small = [f"/small/{number}" for number in range(10)]
wide = [f"/wide/{number}" for number in range(10)]
large = [f"/large/{number}" for number in range(4)]

app = App()
for graph in (
    none,
    page("small", *small),
    page("late", *small[:-1], f"/slow{small[-1]}"),
    page("wide", *wide[:-1], f"/slow{wide[-1]}"),
    page("large", *large[:-1], f"/slow{large[-1]}"),
):
    app.add_graph(f"/{graph.id}", graph)
