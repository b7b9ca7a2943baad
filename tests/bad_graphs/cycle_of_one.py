# page: cycle a -> a

from fastdag import Graph

graph = Graph("page")


@graph.node
def a(context, a):
    return a
