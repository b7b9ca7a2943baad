# page.b has the parent 'a', but load takes no further argument; add one
# page.c has the parent 'a' as 'prize', but load takes no argument of that name; did you mean 'price'?

from fastdag import Graph, Node


class B(Node):
    def load(self, context):
        return 1


class C(Node):
    def load(self, context, price=0):
        return price


graph = Graph("page")
a = Node("a")
a.add_child(B("b"))
a.add_child(C("c"), "prize")
graph.add_root(a)
