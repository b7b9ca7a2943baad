# page: cycle a -> b -> a
# page: cycle x -> y -> z -> x

from fastdag import Graph

graph = Graph("page")
graph.node(id="a")(lambda b: b)
graph.node(id="b")(lambda a: a)
graph.node(id="x")(lambda z: z)
graph.node(id="y")(lambda x: x)
graph.node(id="z")(lambda y: y)
graph.node(id="below")(lambda z: z)
