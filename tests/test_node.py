"""Nodes by themselves: what they are called, which options they take, and what is refused at once."""

import dataclasses

import pytest

from fastdag import Graph, Node, add_child, add_parent
from fastdag.node import FunctionNode


def test_a_nodes_id_is_the_given_one_else_the_class_attribute_else_the_class_name():
    class Plain(Node):
        pass

    class Named(Node):
        id = "named"

    class Inherits(Named):
        pass

    assert [Plain().id, Named().id, Inherits().id, Named("own").id] == ["Plain", "named", "named", "own"]


def test_a_subclass_need_not_call_our_init():
    class Own(Node):
        timeout = 0.5

        def __init__(self, number):
            self.number = number

        def load(self, context):
            return self.number

    graph = Graph("page")
    graph.add_root(Own(3))
    assert graph.run().node_data == {"Own": 3}


def test_a_dataclass_can_be_a_node():
    @dataclasses.dataclass
    class Priced(Node):
        currency: str = "EUR"

        def load(self, context):
            return self.currency

    graph, priced = Graph("page"), Priced("CHF")
    priced.add_child(FunctionNode(lambda Priced: f"in {Priced}", "child"))
    graph.add_root(priced)
    assert graph.run().node_data == {"Priced": "CHF", "child": "in CHF"}


def test_options_are_keyword_arguments_or_class_attributes():
    class Both(Node):
        optional = True
        timeout = 3

    node = Both("a", timeout=1)
    assert (node.option("optional"), node.option("timeout"), node.option("output")) == (True, 1, None)


def test_a_function_that_a_class_holds_is_a_method_only_with_self():
    class Holds(Node):
        when = lambda context: context  # noqa: E731
        fallback = staticmethod(lambda context, error: "static")

    class Method(Node):
        def when(self, context):
            return self.id

    assert Holds().option("when")("x") == "x"
    assert Holds().option("fallback")(None, None) == "static"
    assert Method("m").option("when")(None) == "m"
    given = Method("m", when=lambda context: "given")
    assert given.option("when")(None) == "given"


def test_a_function_node_is_called_after_its_function():
    def offer(context):
        return context

    assert FunctionNode(offer).id == "offer"
    assert FunctionNode(offer, "other").id == "other"


def test_a_decorated_function_stays_a_function():
    graph = Graph("page")

    @graph.node
    def plain(context):
        return context

    @graph.node(id="other", output="key")
    def named(context, plain):
        return plain + 1

    assert plain(1) == 1
    assert named(None, 1) == 2
    assert graph.run(5).merged == {"key": 6}


def test_the_repr_names_class_and_id():
    assert repr(Node("a")) == "<Node 'a'>"


@pytest.mark.parametrize(
    "misuse, message",
    [
        (lambda: Node(""), "a node's id is a non-empty string, not ''"),
        (lambda: Node(5), "a node's id is a non-empty string, not 5"),
        (lambda: Node("a", optoinal=True), "a: no option is called 'optoinal'; did you mean 'optional'?"),
        (lambda: Node("a", zzz=1), "a: no option is called 'zzz'"),
        (lambda: Node("a", timeout="1"), "a: timeout takes seconds as a number, or None; not '1'"),
        (lambda: Node("a", timeout=True), "a: timeout takes seconds as a number, or None; not True"),
        (lambda: Node("a").add_parent(5), "an edge joins nodes, Node subclasses or ids, not 5"),
        (lambda: Node("a").add_parent(""), "an edge joins nodes, Node subclasses or ids, not ''"),
        (lambda: Node("a").add_child(None), "an edge joins nodes, Node subclasses or ids, not None"),
        (lambda: Node("a").add_child(int), "an edge joins nodes, Node subclasses or ids, not <class 'int'>"),
        (
            lambda: Node("a").add_parent("b", "not a name"),
            "an argument name is an identifier, or None to pass by position; not 'not a name'",
        ),
        (
            lambda: Node("a").add_child("b", 1),
            "an argument name is an identifier, or None to pass by position; not 1",
        ),
        (lambda: add_parent(3), "@add_parent names a node by its id, not 3"),
        (lambda: add_child(""), "@add_child names a node by its id, not ''"),
        (
            lambda: add_child("a", ""),
            "an argument name is an identifier, or None to pass by position; not ''",
        ),
        (lambda: add_parent("a")(int), "@add_parent decorates a subclass of Node, not <class 'int'>"),
        (lambda: add_child("a")(Node("b")), "@add_child decorates a subclass of Node, not <Node 'b'>"),
        (lambda: FunctionNode("a"), "a function node needs a function, not 'a'"),
    ],
)
def test_misuse_is_refused_with_what_to_do(misuse, message):
    with pytest.raises(TypeError) as refused:
        misuse()
    assert str(refused.value) == message


def test_a_function_without_a_name_needs_an_id():
    with pytest.raises(TypeError, match=r"^<function .*<lambda>.* has no name of its own; give it one with id=$"):
        FunctionNode(lambda: 1)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_refused(timeout):
    with pytest.raises(ValueError, match=r"^a: timeout takes a positive number of seconds, or None; not "):
        Node("a", timeout=timeout)
