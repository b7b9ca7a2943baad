# page: cycle middle -> spare -> middle

from fastdag import Graph, Node


class Spare(Node):
    id = "spare"

    def load(self, context, middle):
        return middle


graph = Graph("page")
spare = Spare()
spare.add_parent("middle", "middle")
graph.node(id="a", fallback=spare)(lambda context: 1)
graph.node(id="middle")(lambda a: a)
