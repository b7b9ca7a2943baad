# page.a has output=5; output= takes True, False or a key
# page.b has output=''; output= takes True, False or a key

from fastdag import Graph

graph = Graph("page")
graph.node(id="a", output=5)(lambda context: 1)
graph.node(id="b", output="")(lambda context: 1)
