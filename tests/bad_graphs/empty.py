# page: the graph is empty; add a node with fetch, node or add_root

from fastdag import Graph

graph = Graph("page")
