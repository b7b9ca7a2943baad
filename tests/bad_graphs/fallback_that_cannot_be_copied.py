# page.a has a fallback= that cannot be copied for every run (cannot pickle 'generator' object); make it a function

from fastdag import Graph

graph = Graph("page")
graph.node(id="a", fallback={"rows": (row for row in ())})(lambda context: 1)
