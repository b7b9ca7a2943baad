# page.a is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway
# page.b is a generator function; return a list instead of yielding

from fastdag import Graph

graph = Graph("page")


@graph.node
def items(context):
    return [1]


@graph.node(each="items")
async def a(context, item):
    return item


@graph.node(each="items")
def b(context, item):
    yield item
