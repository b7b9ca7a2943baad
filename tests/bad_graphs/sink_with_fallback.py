# page.audit is a sink, whose data nobody takes: fallback= has nothing to do; drop it

from fastdag import Graph

graph = Graph("page")
graph.node(id="spare")(lambda context: 1)
graph.node(id="audit", sink=True, fallback=graph["spare"])(lambda context: 1)
