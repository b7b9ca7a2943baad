# page.b is a root and takes no parents, but has 'a'; remove one or the other

from fastdag import Graph, Node


class B(Node):
    def load(self, context, a):
        return a


graph = Graph("page")
a, b = Node("a"), B("b")
b.add_parent(a, "a")
graph.add_root(a)
graph.add_root(b)
