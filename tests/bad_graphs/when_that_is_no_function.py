# page.a has when=True; when= takes a function over context and parents, or None

from fastdag import Graph

graph = Graph("page")
graph.node(id="a", when=True)(lambda context: 1)
