# page: cycle spare -> middle -> a -> spare

from fastdag import Graph

graph = Graph("page")
graph.node(id="spare")(lambda context: 1)
graph.node(id="middle")(lambda spare: spare)
graph.node(id="a", fallback=graph["spare"])(lambda middle: middle)
graph.node(id="b", fallback=graph["spare"])(lambda context: 1)
