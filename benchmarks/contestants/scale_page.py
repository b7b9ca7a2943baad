"""The service of `benchmarks.scale`: fastdag with its defaults; routes with no call, ten small and four large ones."""

from __future__ import annotations

import os

from fastdag import App, Graph, Upstream

upstream = Upstream("parts", os.environ["UPSTREAM"])

none = Graph("none")
none.node(id="hello", output="hello")(lambda context: "world")


def page(id: str, *paths: str) -> Graph:
    graph = Graph(id)
    for number, path in enumerate(paths):
        graph.fetch(f"part{number}", upstream, path)
    return graph


small = [f"/small/{number}" for number in range(10)]
large = [f"/large/{number}" for number in range(4)]

app = App()
for graph in (
    none,
    page("small", *small),
    page("late", *small[:-1], f"/slow{small[-1]}"),
    page("large", *large[:-1], f"/slow{large[-1]}"),
):
    app.add_graph(f"/{graph.id}", graph)
