# page: body= names 'item_list', which is no node; did you mean 'items_list'?

from fastdag import Graph

graph = Graph("page", body="item_list")
graph.node(id="items_list")(lambda context: [])
