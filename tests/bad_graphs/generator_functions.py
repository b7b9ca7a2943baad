# page.a is a generator function; return a list instead of yielding
# page.b is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway
# page.C: load is a generator function; return a list instead of yielding

from fastdag import Graph, Node

graph = Graph("page")


@graph.node
def a(context):
    yield 1


@graph.node
async def b(context):
    yield 1


class C(Node):
    def resolve(self, context):
        yield 1


graph.add_root(C)
