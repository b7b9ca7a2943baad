# page: two nodes have the id 'a'; give one of them another

from fastdag import Graph, Node

graph = Graph("page")
graph.add_root(Node("a"))
graph.add_root(Node("a"))
graph.add_root(Node("a"))
