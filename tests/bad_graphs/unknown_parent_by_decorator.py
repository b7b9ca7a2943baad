# page: an edge to 'Child' names 'parent', which is no node

from fastdag import Graph, Node, add_parent


@add_parent("parent", "data")
class Child(Node):
    def load(self, context, data=None):
        return data


graph = Graph("page")
graph.node(id="other")(lambda context: 1)
graph.add(Child)
graph["Child"].add_parent("other")
