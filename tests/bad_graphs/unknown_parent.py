# page.offer wants 'user', which nothing provides; did you mean 'users'?

from fastdag import Graph

graph = Graph("page")


@graph.node
def users(context):
    return []


@graph.node
def offer(context, user):
    return user
