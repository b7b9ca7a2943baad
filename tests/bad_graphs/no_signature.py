# page.a has no signature that could be read (no signature found for builtin <built-in function max>); wrap it in a function of your own

from fastdag import Graph

graph = Graph("page")
graph.node(id="a")(max)
