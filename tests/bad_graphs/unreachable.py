# page.b is unreachable: it has no parents; make it a root with add_root('b')

from fastdag import Graph, Node

graph = Graph("page")
graph.add_root(Node("a"))
graph.add(Node("b"))
