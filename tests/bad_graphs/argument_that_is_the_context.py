# page.b has the parent 'a' as 'context', but load takes no argument of that name

from fastdag import Graph, Node


class B(Node):
    def load(self, context, **parents):
        return parents


graph = Graph("page")
a = Node("a")
a.add_child(B("b"), "context")
graph.add_root(a)
