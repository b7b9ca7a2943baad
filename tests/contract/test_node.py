"""The contract from the origin of the project (DESIGN 2), to the letter: nodes, edges and decorators."""

import pytest

from fastdag import Graph, Node, add_child, add_parent


class Value(Node):
    """Gives its own id."""

    def load(self, context):
        return self.id


class Args(Node):
    """Gives what it was called with."""

    def load(self, context, *args, **named):
        return {"args": list(args), "named": named}


def run(*roots, context=None):
    graph = Graph("page")
    for root in roots:
        graph.add_root(root)
    return graph.run(context).node_data


def test_a_node_has_the_id_it_was_given():
    assert Node("a").id == "a"
    assert Value("b").id == "b"


def test_a_node_may_neither_take_nor_produce_data():
    class Silent(Node):
        def load(self, context):
            pass

    assert run(Silent("a")) == {"a": None}


def test_a_node_without_a_load_gives_nothing():
    assert run(Node("a")) == {"a": None}


def test_a_parents_data_comes_under_the_argument_name():
    child, parent = Args("c"), Value("p")
    child.add_parent(parent, "given")
    assert run(parent)["c"] == {"args": [], "named": {"given": "p"}}


def test_a_childs_argument_name_works_the_same():
    child, parent = Args("c"), Value("p")
    parent.add_child(child, "given")
    assert run(parent)["c"] == {"args": [], "named": {"given": "p"}}


def test_without_argument_names_data_comes_in_the_order_in_which_parents_were_added():
    child, parents = Args("c"), [Value(name) for name in "zyxw"]
    for parent in parents:
        child.add_parent(parent)
    assert run(*reversed(parents))["c"]["args"] == ["z", "y", "x", "w"]


def test_the_order_of_parents_counts_edges_from_both_sides():
    child, first, second, third = Args("c"), Value("1"), Value("2"), Value("3")
    second.add_child(child)
    child.add_parent(first)
    third.add_child(child)
    assert run(first, second, third)["c"]["args"] == ["2", "1", "3"]


def test_positional_and_named_parents_mix():
    class Mixed(Node):
        def load(self, context, first, second, named):
            return [first, second, named]

    child, a, b, c = Mixed("child"), Value("a"), Value("b"), Value("c")
    child.add_parent(c, "named")
    child.add_parent(a)
    child.add_parent(b)
    assert run(a, b, c)["child"] == ["a", "b", "c"]


def test_resolve_works_like_load():
    class Resolves(Node):
        def resolve(self, context, parent=None):
            return [context, parent]

    root, child = Resolves("a"), Resolves("b")
    child.add_parent(root, "parent")
    assert run(root, context=1) == {"a": [1, None], "b": [1, [1, None]]}


def test_the_most_derived_of_load_and_resolve_counts():
    class Loads(Node):
        def load(self, context):
            return "load"

    class Resolves(Loads):
        def resolve(self, context):
            return "resolve"

    class LoadsAgain(Resolves):
        def load(self, context):
            return "load again"

    assert run(Resolves("a"), LoadsAgain("b")) == {"a": "resolve", "b": "load again"}


def test_a_parent_is_named_by_id_class_or_node():
    class Parent(Value):
        pass

    for parent in ("Parent", Parent, Parent()):
        graph, child = Graph("page"), Args("c")
        child.add_parent(parent, "p")
        graph.add(child, parent if isinstance(parent, Node) else Parent)
        graph.add_root("Parent")
        assert graph.run().node_data["c"]["named"] == {"p": "Parent"}


def test_a_child_is_named_by_id_class_or_node():
    class Child(Args):
        pass

    for child in ("Child", Child, Child()):
        graph, parent = Graph("page"), Value("p")
        parent.add_child(child, "p")
        graph.add_root(parent)
        if isinstance(child, str):
            graph.add(Child)
        assert graph.run().node_data["Child"]["named"] == {"p": "p"}


def test_decorators_name_the_other_node_by_id():
    @add_parent("a", "given")
    class Child(Args):
        pass

    graph = Graph("page")
    graph.add(Child("c"))
    graph.add_root(Value("a"))
    assert graph.run().node_data["c"]["named"] == {"given": "a"}


def test_stacked_decorators_are_read_from_top_to_bottom():
    @add_parent("a")
    @add_parent("b")
    @add_parent("c")
    class Child(Args):
        pass

    graph = Graph("page")
    for name in "cba":
        graph.add_root(Value(name))
    graph.add(Child("child"))
    assert graph.run().node_data["child"]["args"] == ["a", "b", "c"]


def test_a_child_decorator_gives_the_data_to_the_other_node():
    @add_child("left", "given")
    @add_child("right")
    class Parent(Value):
        pass

    graph = Graph("page")
    graph.add_root(Parent("p"))
    graph.add(Args("left"), Args("right"))
    data = graph.run().node_data
    assert data["left"] == {"args": [], "named": {"given": "p"}}
    assert data["right"] == {"args": ["p"], "named": {}}


def test_decorated_edges_are_inherited_before_a_classs_own():
    @add_parent("a")
    class Base(Args):
        pass

    @add_parent("b")
    class Derived(Base):
        pass

    graph = Graph("page")
    graph.add_root(Value("b"))
    graph.add_root(Value("a"))
    graph.add(Derived("d"), Base("base"))
    data = graph.run().node_data
    assert data["d"]["args"] == ["a", "b"]
    assert data["base"]["args"] == ["a"]


def test_a_decorated_class_can_be_used_more_than_once():
    @add_parent("a", "given")
    class Child(Args):
        pass

    graph = Graph("page")
    graph.add_root(Value("a"))
    graph.add(Child("one"), Child("two"))
    data = graph.run().node_data
    assert data["one"] == data["two"] == {"args": [], "named": {"given": "a"}}


def test_decorated_edges_come_before_those_added_later():
    @add_parent("a")
    class Child(Args):
        pass

    child, other = Child("c"), Value("b")
    child.add_parent(other)
    graph = Graph("page")
    graph.add_root(other)
    graph.add_root(Value("a"))
    assert graph.run().node_data["c"]["args"] == ["a", "b"]


def test_both_ends_may_declare_the_same_edge():
    @add_child("c", "given")
    class Parent(Value):
        pass

    @add_parent("p", "given")
    class Child(Args):
        pass

    graph = Graph("page")
    graph.add_root(Parent("p"))
    graph.add(Child("c"))
    assert graph.run().node_data["c"] == {"args": [], "named": {"given": "p"}}


@pytest.mark.parametrize("count", range(2, 17))
def test_two_to_sixteen_parents_come_in_the_order_they_were_added(count):
    child, parents = Args("child"), [Value(f"p{number}") for number in range(count)]
    for parent in parents:
        child.add_parent(parent)
    assert run(*parents)["child"]["args"] == [parent.id for parent in parents]
