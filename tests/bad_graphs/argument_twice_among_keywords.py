# page.c gets 'data' twice, from 'a' and from 'b'; name another

from fastdag import Graph, Node


class C(Node):
    def load(self, context, **parents):
        return parents


graph = Graph("page")
c = C("c")
for name in "ab":
    root = Node(name)
    c.add_parent(root, "data")
    graph.add_root(root)
