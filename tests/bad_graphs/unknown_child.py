# page: an edge from 'a' names 'bb', which is no node

from fastdag import Graph, Node

graph = Graph("page")
a = Node("a")
a.add_child("bb")
graph.add_root(a)
