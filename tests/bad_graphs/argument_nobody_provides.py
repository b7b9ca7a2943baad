# page.offer wants 'price', which nothing provides; add a parent with argument_name='price'

from fastdag import Graph, Node


class Offer(Node):
    id = "offer"

    def load(self, context, price):
        return price


graph = Graph("page")
graph.add_root(Offer)
