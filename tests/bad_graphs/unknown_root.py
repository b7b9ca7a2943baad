# page: add_root names 'catalog', which is no node; did you mean 'catalogue'?

from fastdag import Graph

graph = Graph("page")
graph.node(id="catalogue")(lambda context: 1)
graph.add_root("catalog")
