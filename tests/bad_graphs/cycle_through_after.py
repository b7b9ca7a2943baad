# page: cycle a -> b -> a

from fastdag import Graph

graph = Graph("page")
graph.node(id="a", after="b")(lambda context: 1)
graph.node(id="b")(lambda a: a)
