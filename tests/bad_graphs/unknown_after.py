# page: b: after= names 'aa', which is no node; did you mean 'a'?

from fastdag import Graph

graph = Graph("page")
graph.node(id="a")(lambda context: 1)
graph.node(id="b", after="aa")(lambda context: 1)
