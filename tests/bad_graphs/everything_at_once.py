# page: 'path' is reserved, references like {path.x} mean the request; rename it
# page.offer is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway
# page: two nodes have the id 'path'; give one of them another
# page: price: after= names 'nobody', which is no node
# page.offer wants 'prise', which nothing provides; did you mean 'price'?
# page: add_root names 'elsewhere', which is no node
# page.lonely is unreachable: it has no parents; make it a root with add_root('lonely')
# page: cycle x -> y -> x
# page: body= names 'nothing', which is no node

from fastdag import Graph, Node

graph = Graph("page", body="nothing")
graph.node(id="path")(lambda context: 1)
graph.node(id="path")(lambda context: 2)
graph.node(id="price", after="nobody")(lambda context: 1)


@graph.node
async def offer(context, prise):
    return prise


graph.node(id="x")(lambda y: y)
graph.node(id="y")(lambda x: x)
graph.add(Node("lonely"))
graph.add_root("elsewhere")
