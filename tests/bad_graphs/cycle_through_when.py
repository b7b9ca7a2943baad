# page: cycle a -> b -> a

from fastdag import Graph

graph = Graph("page")
graph.node(id="a", when=lambda b: b)(lambda context: 1)
graph.node(id="b")(lambda a: a)
