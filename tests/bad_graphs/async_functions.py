# page.a is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway
# page.B: load is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway
# page.c: when= is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway
# page.d: fallback= is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway

from fastdag import Graph, Node

graph = Graph("page")


@graph.node
async def a(context):
    return 1


class B(Node):
    async def load(self, context):
        return 1


graph.add_root(B)


async def decide(context):
    return True


async def answer(context, error):
    return 1


graph.node(id="c", when=decide)(lambda context: 1)
graph.node(id="d", fallback=answer)(lambda context: 1)
