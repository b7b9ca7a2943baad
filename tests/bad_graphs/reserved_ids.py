# page: 'query' is reserved, references like {query.x} mean the request; rename it
# page: 'item' is reserved, references like {item.x} mean the request; rename it

from fastdag import Graph

graph = Graph("page")
graph.node(id="query")(lambda context: 1)
graph.node(id="item")(lambda context: 1)
