# page: an edge to 'b' names 'aa', which is no node; did you mean 'a'?

from fastdag import Graph, Node

graph = Graph("page")
graph.add_root(Node("a"))
b = Node("b")
b.add_parent("aa")
b.add_parent("a")
graph.add(b)
