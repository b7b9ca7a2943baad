"""What users hold: declaring, looking up, changing, running, and what is refused on the way."""

import pytest

from fastdag import Graph, Node, NodeError, Upstream


def value(graph, id, data, **options):
    graph.node(id=id, **options)(lambda: data)


def test_node_and_fetch_without_parents_are_roots():
    graph = Graph("page")
    graph.node(id="a")(lambda: 1)
    graph.fetch("b", Upstream("catalog", "http://127.0.0.1:9"), "/b")
    plan = graph.compile()
    assert sorted(plan.ids[start] for start in (*plan.blank.waits_ready, *plan.blank.ready)) == ["a", "b"]


def test_fetch_returns_the_node():
    graph = Graph("page")
    node = graph.fetch("b", Upstream("catalog", "http://127.0.0.1:9"), "/b")
    assert isinstance(node, Node)
    assert graph["b"] is node


def test_a_graph_is_looked_up_by_id():
    graph = Graph("page")
    root, child = Node("root"), Node("child")
    root.add_child(child)
    graph.add_root(root)
    assert graph["root"] is root
    assert graph["child"] is child
    with pytest.raises(KeyError, match=r"page has no node 'chlid'; did you mean 'child'\?"):
        graph["chlid"]


def test_the_order_of_declaration_is_the_order_of_the_calls_then_breadth_first():
    graph = Graph("page")
    a, b, c, d, e = (Node(id) for id in "abcde")
    a.add_child(c)
    a.add_child(d)
    c.add_child(e)
    graph.node(id="x")(lambda: 1)
    graph.add_root("b")
    graph.add_root(a)
    graph.fetch("y", Upstream("catalog", "http://127.0.0.1:9"), "/y", optional=True)
    graph.add(b)
    assert graph.compile().ids == ("x", "a", "y", "b", "c", "d", "e")


def test_a_class_stands_for_one_node_however_often_it_is_named():
    class Parent(Node):
        def load(self, context):
            return "p"

    class Child(Node):
        def load(self, context, *parents):
            return list(parents)

    graph = Graph("page")
    one, two = Child("one"), Child("two")
    one.add_parent(Parent)
    two.add_parent(Parent)
    graph.add(one, two, Parent)
    graph.add_root(Parent)
    assert graph.run().node_data == {"one": ["p"], "two": ["p"], "Parent": "p"}


def test_a_class_stands_for_a_declared_node_of_it_wherever_that_is_declared():
    class Parent(Node):
        def load(self, context):
            return "p"

    class Child(Node):
        def load(self, context, parent):
            return parent

    graph, child = Graph("page"), Child("child")
    child.add_parent(Parent)
    graph.add(child)
    graph.add_root(Parent())
    assert graph.run().merged == {"child": "p"}


def test_a_node_can_be_in_two_graphs():
    node = Node("a")
    for graph in (Graph("one"), Graph("two")):
        graph.add_root(node)
        assert graph.run().node_data == {"a": None}


def test_a_plan_is_kept_until_something_changes():
    graph, node = Graph("page"), Node("a")
    graph.add_root(node)
    first = graph.compile()
    assert graph.compile() is first
    graph.run()
    assert graph.compile() is first


@pytest.mark.parametrize(
    "change",
    [
        lambda graph, node: graph.node(id="new")(lambda: 1),
        lambda graph, node: graph.add_root(Node("new")),
        lambda graph, node: node.add_child(Node("new", after=node)),
        lambda graph, node: setattr(node, "timeout", 3.0),
        lambda graph, node: setattr(node, "optional", True),
        lambda graph, node: setattr(node, "output", False),
        lambda graph, node: setattr(node, "fallback", 3),
        lambda graph, node: setattr(node, "when", lambda: False),
        lambda graph, node: setattr(graph, "body", "a"),
    ],
)
def test_changing_a_graph_or_a_node_invalidates_the_plan(change):
    graph, node = Graph("page"), Node("a")
    graph.add_root(node)
    before = graph.compile()
    change(graph, node)
    assert graph.compile() is not before


def test_changes_count_in_the_next_run_and_not_in_those_in_flight():
    graph = Graph("page")

    @graph.node
    def a():
        graph["a"].output = "renamed"
        return 1

    assert graph.run().merged == {"a": 1}
    assert graph.run().merged == {"renamed": 1}


def test_outputs_are_leaves_unless_said_otherwise():
    graph = Graph("page")
    value(graph, "inner", {"inner": 1})
    graph.node(id="shown", output=True)(lambda inner: {"shown": 1})
    graph.node(id="keyed", output="under")(lambda inner: {"keyed": 1})
    graph.node(id="leaf")(lambda shown: {"leaf": 1})
    graph.node(id="hidden", output=False)(lambda shown: {"hidden": 1})
    value(graph, "list", [1])
    assert graph.run().merged == {"shown": 1, "under": {"keyed": 1}, "leaf": 1, "list": [1]}


def test_body_makes_one_nodes_data_the_whole_answer():
    graph = Graph("page", body="items")
    value(graph, "items", [1, 2])
    value(graph, "other", {"a": 1})
    assert graph.run().merged == [1, 2]


def test_body_of_a_skipped_node_is_nothing():
    graph = Graph("page", body="items")
    value(graph, "items", [1], when=lambda: False)
    assert graph.run().merged is None


def test_merge_ids_gives_outputs_by_id():
    graph = Graph("page", merge="ids")
    value(graph, "a", {"x": 1})
    value(graph, "b", [1], output="key")
    value(graph, "c", None)
    value(graph, "d", None, output="d")
    value(graph, "e", 1, output=False)
    assert graph.run().merged == {"a": {"x": 1}, "b": [1], "d": None}


def test_a_merge_function_takes_over():
    graph = Graph("page", merge=lambda outputs: sorted(outputs.items()))
    value(graph, "b", None)
    value(graph, "a", {"x": 1})
    assert graph.run().merged == [("a", {"x": 1}), ("b", None)]


def test_a_conflict_is_told_and_the_later_declared_wins():
    told = []
    graph = Graph("page")
    value(graph, "a", {"x": {"y": 1, "z": 1}})
    value(graph, "b", {"x": {"y": 2}})
    graph.on("merge.conflict", lambda name, fields: told.append((name, fields)))
    assert graph.run().merged == {"x": {"y": 2, "z": 1}}
    assert told == [("merge.conflict", {"graph": "page", "path": "x.y", "earlier": "a", "later": "b"})]


def test_a_conflict_can_be_refused():
    graph = Graph("page", on_conflict="error")
    value(graph, "a", {"x": 1})
    value(graph, "b", {"x": 2})
    with pytest.raises(NodeError) as refused:
        graph.run()
    assert str(refused.value) == "b failed (exception): 'a' and 'b' give different values for 'x'"
    assert refused.value.result.node_data == {"a": {"x": 1}, "b": {"x": 2}}
    graph["b"].output = "b"
    assert graph.run().merged == {"x": 1, "b": {"x": 2}}


def test_declaring_many_nodes_takes_time_in_proportion():
    graph = Graph("page")
    for number in range(20_000):
        graph.node(id=f"n{number}")(lambda: 1)
    assert len(graph.compile()) == 20_000


def test_the_repr_says_what_is_there():
    graph = Graph("page")
    assert repr(graph) == "<Graph 'page' 0 entries>"
    value(graph, "a", 1)
    graph.compile()
    assert repr(graph) == "<Graph 'page' 1 entries, compiled>"


@pytest.mark.parametrize(
    "misuse, error, message",
    [
        (lambda g: Graph(""), TypeError, "a graph's id is a non-empty string, not ''"),
        (lambda g: Graph(None), TypeError, "a graph's id is a non-empty string, not None"),
        (lambda g: Graph("g", timeout="1"), TypeError, "g: timeout= takes seconds as a number, or None; not '1'"),
        (
            lambda g: Graph("g", timeout=0),
            ValueError,
            "g: timeout= takes a positive number of seconds, or None; not 0",
        ),
        (
            lambda g: Graph("g", merge="shallow"),
            ValueError,
            'g: merge= takes "deep", "ids" or a function, not \'shallow\'',
        ),
        (
            lambda g: Graph("g", on_conflict="first"),
            ValueError,
            'g: on_conflict= takes "last" or "error", not \'first\'',
        ),
        (lambda g: Graph("g", body=5), TypeError, "g: body= names a node by its id, not 5"),
        (lambda g: g.add("a"), TypeError, "g: add takes nodes and Node subclasses, not 'a'"),
        (lambda g: g.add_root(""), TypeError, "g: a root is a node, a Node subclass or an id, not ''"),
        (lambda g: g.add_root(5), TypeError, "g: a root is a node, a Node subclass or an id, not 5"),
        (lambda g: g.add_root(int), TypeError, "g: a root is a node, a Node subclass or an id, not <class 'int'>"),
        (lambda g: g.node("a"), TypeError, "a function node needs a function, not 'a'"),
        (
            lambda g: g.node(id="a", timeuot=1)(print),
            TypeError,
            "a: no option is called 'timeuot'; did you mean 'timeout'?",
        ),
        (lambda g: g.run(timeout=-1), ValueError, "timeout= takes a positive number of seconds, or None; not -1"),
        (lambda g: g.run(timeout="1"), TypeError, "timeout= takes seconds as a number, or None; not '1'"),
    ],
)
def test_misuse_is_refused_with_what_to_do(misuse, error, message):
    with pytest.raises(error) as refused:
        misuse(Graph("g"))
    assert str(refused.value) == message


def test_a_class_that_needs_arguments_is_refused_where_it_is_given():
    class Needs(Node):
        def __init__(self, number):
            pass

    for declare in (Graph("g").add, Graph("g").add_root):
        with pytest.raises(TypeError, match=r"^Needs cannot be made without arguments; pass a node of it "):
            declare(Needs)


def test_an_event_of_no_name_is_refused():
    with pytest.raises(ValueError, match="no event is called 'merge'; the events are "):
        Graph("g").on("merge", print)


def test_an_unpatched_program_is_warned(monkeypatch):
    monkeypatch.setattr("fastdag.concurrency.is_patched", lambda: False)
    graph = Graph("g")
    graph.node(id="a")(lambda: 1)
    with pytest.warns(RuntimeWarning, match="the standard library is not patched"):
        graph.compile()
