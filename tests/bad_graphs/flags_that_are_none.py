# page.a has optional='no'; optional= takes True or False
# page.b has sink=1; sink= takes True or False

from fastdag import Graph

graph = Graph("page")
graph.node(id="a", optional="no")(lambda context: 1)
graph.node(id="b", sink=1)(lambda context: 1)
