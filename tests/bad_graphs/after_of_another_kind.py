# page.a has after=5; after= takes nodes, Node subclasses and ids, one or several

from fastdag import Graph

graph = Graph("page")
graph.node(id="a", after=5)(lambda context: 1)
