# page.A: timeout= takes a positive number of seconds, or None; not 0
# page.B: timeout= takes seconds as a number, or None; not '1'

from fastdag import Graph, Node


class A(Node):
    timeout = 0

    def __init__(self):
        pass


class B(Node):
    timeout = "1"

    def __init__(self):
        pass


graph = Graph("page")
graph.add_root(A)
graph.add_root(B)
