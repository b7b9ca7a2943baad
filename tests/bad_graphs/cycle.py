# page: cycle a -> b -> a

from fastdag import Graph

graph = Graph("page")


@graph.node
def a(context, b):
    return b


@graph.node
def b(context, a):
    return a
