"""What functions accept, read from their signatures."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from fastdag import Graph, Node, Outcome
from fastdag.signature import REQUIRED, Param, Parameters, _inspected, _plain, wrong_kind

if TYPE_CHECKING:
    from nowhere import Unknown


class Shapes:
    """Methods of all shapes, without annotations as text."""

    def none(self): ...

    def context(self, context): ...

    def positional_only(self, context, a, /, b): ...

    def defaults(self, context, a, b=1, *, c, d=2): ...

    def star(self, context, *args, c=3, **named): ...

    def bare_star(self, *args): ...

    def keywords(self, **named): ...


@pytest.mark.parametrize("name", [name for name in vars(Shapes) if not name.startswith("_")])
def test_plain_functions_are_read_as_inspect_does(name):
    for function in (getattr(Shapes(), name), getattr(Shapes, name)):
        assert _plain(function) == _inspected(function)


def by_name(function):
    return Parameters.of(function, by_name=True)


def test_a_function_nodes_parameters_name_its_parents():
    found = by_name(lambda context, product, reviews=(): None)
    assert found.context == "first"
    assert found.params == (
        Param("product", REQUIRED, implies="product"),
        Param("reviews", (), implies="reviews"),
    )


def test_the_context_is_passed_wherever_it_stands():
    assert by_name(lambda: None).context is None
    assert by_name(lambda product: None).context is None
    assert by_name(lambda product, context: None).context == "context"
    assert by_name(lambda *, context: None).context == "context"


def test_a_class_nodes_first_parameter_is_the_context_whatever_its_name():
    found = Parameters.of(lambda request, product: None, by_name=False)
    assert found.context == "first"
    assert found.params == (Param("product", REQUIRED),)


def test_only_the_class_outcome_asks_for_the_outcome():
    def annotated(a: Outcome, b: int, c: Any): ...

    assert [param.outcome for param in by_name(annotated).params] == [True, False, False]


def test_an_annotation_that_cannot_be_resolved_does_not_count():
    def unknown(a: Unknown, b: Outcome): ...

    def prose(a: "what the shop sells", b: "Outcome"): ...  # noqa: F722, UP037

    for function in (unknown, prose):
        assert [param.outcome for param in by_name(function).params] == [False, True]


def test_partial_functions_and_wrapped_functions_are_read_through():
    def function(context, a, b): ...

    assert [param.name for param in by_name(functools.partial(function, b=1)).params] == ["a", "b"]

    @functools.wraps(function)
    def wrapper(*args, **named): ...

    assert [param.name for param in by_name(wrapper).params] == ["a", "b"]


@pytest.mark.parametrize(
    "load, expected",
    [
        (lambda context, a, b: (context, a, b), ("c", "a", "b")),
        (lambda a, context, b: (context, a, b), ("c", "a", "b")),
        (lambda a, b, /, context: (context, a, b), ("c", "a", "b")),
        (lambda context, /, a, *, b: (context, a, b), ("c", "a", "b")),
        (lambda a, *, b, context: (context, a, b), ("c", "a", "b")),
        (lambda a, b: (a, b), ("a", "b")),
    ],
)
def test_functions_of_every_shape_get_what_they_name(load, expected):
    graph = Graph("page")
    graph.node(id="a")(lambda: "a")
    graph.node(id="b")(lambda: "b")
    graph.node(id="child")(load)
    assert graph.run("c").node_data["child"] == expected


@pytest.mark.parametrize(
    "load, expected",
    [
        (lambda self, context, *, given: (context, given), ("c", "p")),
        (lambda self, *, context, given: (context, given), ("c", "p")),
        (lambda self, *args, **named: (args, named), (("c",), {"given": "p"})),
        (lambda self, request, given=None, missing="m": (request, given, missing), ("c", "p", "m")),
        (lambda self, request, missing="m", given=None: (request, given, missing), ("c", "p", "m")),
    ],
)
def test_class_nodes_of_every_shape_get_what_they_accept(load, expected):
    kind = type("Child", (Node,), {"load": load})
    graph, child = Graph("page"), kind("child")
    graph.node(id="p")(lambda: "p")
    child.add_parent("p", "given")
    graph.add(child)
    assert graph.run("c").node_data["child"] == expected


def test_positions_never_shift():
    class Child(Node):
        def load(self, context, first="no first", second="no second", third="no third"):
            return [first, second, third]

    graph, child = Graph("page"), Child("child")
    for name in "abc":
        child.add_parent(name)
    graph.node(id="a")(lambda: "a")
    graph.node(id="b", optional=True)(lambda: 1 / 0)
    graph.node(id="c")(lambda: "c")
    graph.add(child)
    assert graph.run().node_data["child"] == ["a", "no second", "c"]


async def coroutine(): ...


async def async_generator():
    yield


def generator():
    yield


@pytest.mark.parametrize("function", [coroutine, async_generator, generator])
def test_functions_that_give_no_value_are_of_the_wrong_kind(function):
    assert wrong_kind(function)
    assert wrong_kind(functools.partial(function))
    assert wrong_kind(lambda: 1) is None
    assert wrong_kind(print) is None


def test_the_absence_of_a_value_says_so():
    assert repr(REQUIRED) == "REQUIRED"
