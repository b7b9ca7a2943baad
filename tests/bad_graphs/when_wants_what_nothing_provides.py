# page.a wants 'flags', which nothing provides; did you mean 'flag'?

from fastdag import Graph

graph = Graph("page")
graph.node(id="flag")(lambda context: True)
graph.node(id="a", when=lambda flags: flags)(lambda context: 1)
