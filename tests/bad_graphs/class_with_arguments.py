# page: P cannot be made without arguments; pass a node of it (P.__init__() missing 1 required positional argument: 'x')
# page: an edge from 'a' names 'P', which is no node

from fastdag import Graph, Node


class P(Node):
    def __init__(self, x):
        super().__init__()


graph = Graph("page")
a = Node("a")
a.add_child(P)
graph.add_root(a)
