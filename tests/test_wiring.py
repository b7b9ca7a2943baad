"""From declared nodes to wires: whose data goes to which argument, in which order."""

import pytest

from fastdag import Graph, Node
from fastdag.wiring import references


class Value(Node):
    def load(self, context):
        return self.id


def compiled(*nodes, roots=()):
    graph = Graph("page")
    graph.add(*nodes)
    for root in roots:
        graph.add_root(root)
    return graph.compile()


def test_breadth_first_order_of_nodes_known_only_by_edges():
    root = Value("root")
    left, right, below_left, below_right = (Node(id) for id in ("left", "right", "below left", "below right"))
    right.add_child(below_right)
    root.add_child(left)
    root.add_child(right)
    left.add_child(below_left)
    assert compiled(roots=[root]).ids == ("root", "left", "right", "below left", "below right")


def test_nodes_known_by_after_and_fallback_belong_to_the_graph():
    spare, before = Value("spare"), Value("before")
    root = Value("root", fallback=spare, after=[before])
    assert compiled(roots=[root, "before"]).ids == ("root", "spare", "before")


def test_the_same_edge_twice_is_one_edge():
    root, child = Value("root"), Node("child")
    child.add_parent(root)
    child.add_parent("root")
    root.add_child(child)
    plan = compiled(roots=[root])
    assert plan.blank.waiting == [0, 1]
    assert [link.parent for link in plan.steps[1].call.positional] == [0]


def test_one_parent_under_two_names_is_passed_twice_and_waited_for_once():
    class Child(Node):
        def load(self, context, first, again, *, named):
            return [first, again, named]

    graph, child = Graph("page"), Child("child")
    root = Value("root")
    child.add_parent(root, "first")
    child.add_parent(root, "again")
    child.add_parent(root, "named")
    graph.add_root(root)
    assert graph.compile().blank.waiting == [0, 1]
    assert graph.run().merged == {"child": ["root"] * 3}


def test_positional_parents_beyond_the_parameters_go_to_the_star():
    class Child(Node):
        def load(self, context, first, *rest, named=None):
            return [first, rest, named]

    graph, child = Graph("page"), Child("child")
    for name in "abc":
        root = Value(name)
        graph.add_root(root)
        child.add_parent(root)
    child.add_parent(Value("d"), "named")
    graph.add_root("d")
    assert graph.run().merged == {"child": ["a", ("b", "c"), "d"]}


def test_a_function_node_takes_edges_beside_its_names():
    graph = Graph("page")
    graph.node(id="a-1")(lambda: "a")
    graph.node(id="b")(lambda: "b")
    graph.node(id="child")(lambda b, **others: [b, others])
    graph["child"].add_parent("a-1", "a")
    assert graph.run().merged == {"child": ["b", {"a": "a"}]}


def test_an_explicit_edge_decides_over_the_name():
    graph = Graph("page")
    graph.node(id="a", output=False)(lambda: "a")
    graph.node(id="b", output=False)(lambda: "b")
    graph.node(id="child")(lambda a: a)
    graph["child"].add_parent("b", "a")
    assert graph.run().merged == {"child": "b"}


def test_parents_of_a_predicate_are_parents():
    graph = Graph("page")
    graph.node(id="flag")(lambda: True)
    graph.node(id="a", when=lambda flag: flag)(lambda: 1)
    assert graph.compile().blank.waiting == [0, 1]
    assert graph.run().merged == {"a": 1}


@pytest.mark.parametrize(
    "value, expected",
    [
        ("a", ["a"]),
        (Node, [Node]),
        (["a", "b"], ["a", "b"]),
        (("a",), ["a"]),
        (None, []),
        (5, []),
        ([None, "a", ""], ["a"]),
    ],
)
def test_references_are_one_or_several_or_none(value, expected):
    assert references(value) == expected
