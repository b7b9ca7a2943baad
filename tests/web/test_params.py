"""Declared input: nodes get instances, clients get every mistake at once, upstreams get nothing of it."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import msgspec
import pytest

from fastdag.context import Context
from fastdag.web.app import App
from fastdag.web.params import Input
from tests.web.common import client, graph_of, nothing


@dataclasses.dataclass
class Search:
    q: Annotated[str, msgspec.Meta(min_length=1)]
    page: Annotated[int, msgspec.Meta(ge=1)] = 1
    tag: list[str] = dataclasses.field(default_factory=list)
    exact: bool = False
    limit: int | None = None


class Line(msgspec.Struct, forbid_unknown_fields=True):
    product_id: Annotated[int, msgspec.Meta(ge=1)]
    note: str | None = None


class Order(msgspec.Struct, rename="camel"):
    order_lines: Annotated[list[Line], msgspec.Meta(min_length=1)]
    by_name: dict[str, Line] = {}
    mail: Annotated[str, msgspec.Meta(pattern="^[^@]+@[^@]+$")] = "a@b"


received: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    received.clear()


def look(context: Context) -> None:
    received.append((context.query, context.json))


def search(query: str, status: int = 200) -> Any:
    return client(graph_of(look), query=Search).get(f"/?{query}", status=status)


def order(document: Any, status: int = 200) -> Any:
    return client(graph_of(look), methods=("POST",), body=Order).post_json("/", document, status=status)


def mistakes(response: Any) -> list[tuple[str, str, str]]:
    assert response.content_type == "application/problem+json"
    assert received == []
    return [(error["in"], error["pointer"], error["detail"]) for error in response.json["errors"]]


def test_the_query_is_converted_with_defaults_and_repeated_parameters() -> None:
    search("q=pot&page=2&tag=a&tag=b&exact=true&limit=5&utm_source=x")

    assert received == [(Search("pot", 2, ["a", "b"], True, 5), None)]


def test_one_value_of_a_repeatable_parameter_is_a_list_too() -> None:
    search("q=pot&tag=a")

    assert received[0][0].tag == ["a"]


def test_everything_wrong_with_a_query_is_said_at_once() -> None:
    found = mistakes(search("page=0&page=1&exact=maybe&limit=x", status=422))

    assert [(where, pointer) for where, pointer, _ in found] == [
        ("query", "/q"),
        ("query", "/page"),
        ("query", "/exact"),
        ("query", "/limit"),
    ]
    assert found[0][2] == "is required"
    assert found[3][2] == "Expected `int | null`, got `str`"


def test_the_body_is_converted() -> None:
    order({"orderLines": [{"product_id": 7}], "byName": {"x": {"product_id": 8, "note": "n"}}})

    assert received[0][1] == Order([Line(7)], {"x": Line(8, "n")})


def test_everything_wrong_with_a_body_is_said_at_once_with_pointers() -> None:
    document = {
        "orderLines": [{"product_id": 0}, {"product_id": "x", "note": 3}, {"product_id": 1, "extra": 1}],
        "byName": {"a/b~c": {"product_id": -1}},
        "mail": "nobody",
    }

    assert mistakes(order(document, status=422)) == [
        ("body", "/orderLines/0/product_id", "Expected `int` >= 1"),
        ("body", "/orderLines/1/product_id", "Expected `int`, got `str`"),
        ("body", "/orderLines/1/note", "Expected `str | null`, got `int`"),
        ("body", "/orderLines/2", "Object contains unknown field `extra`"),
        ("body", "/byName/a~1b~0c/product_id", "Expected `int` >= 1"),
        ("body", "/mail", "Expected `str` matching regex '^[^@]+@[^@]+$'"),
    ]


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        ([], ("body", "", "Expected `object`, got `array`")),
        ({}, ("body", "/orderLines", "is required")),
        ({"orderLines": []}, ("body", "/orderLines", "Expected `array` of length >= 1")),
        ({"orderLines": None}, ("body", "/orderLines", "Expected `array`, got `null`")),
    ],
)
def test_a_body_of_another_shape_is_refused(document: Any, mistake: tuple[str, str, str]) -> None:
    assert mistakes(order(document, status=422)) == [mistake]


def test_to_json_five_point_zero_is_an_integer() -> None:
    order({"orderLines": [{"product_id": 5.0}]})
    assert received[0][1].order_lines == [Line(5)]
    received.clear()

    assert mistakes(order({"orderLines": [{"product_id": 5.0}, {"product_id": 5.5}]}, status=422)) == [
        ("body", "/orderLines/1/product_id", "Expected `int`, got `float`")
    ]


def test_a_declared_body_is_bounded_in_depth_too() -> None:
    app = client(graph_of(look), methods=("POST",), body=Any)
    deep = b"[" * 201 + b"]" * 201

    assert "levels deep" in app.post("/", deep, content_type="application/json", status=400).json["detail"]
    app.post("/", b"1e999", content_type="application/json", status=400)


def test_a_body_has_to_be_there_and_to_be_json() -> None:
    app = client(graph_of(look), methods=("POST",), body=Order)

    assert app.post("/", status=400).json["detail"] == "The request needs a JSON body."
    assert app.post("/", "{", content_type="application/json", status=400)
    form = app.post("/", {"a": "1"}, status=415)
    assert form.content_type == "application/problem+json"
    assert form.headers["Accept"] == "application/json"
    assert received == []


def test_a_body_can_be_any_type_that_msgspec_knows() -> None:
    app = client(graph_of(look), methods=("POST",), body=dict[int, list[Line]])

    app.post_json("/", {"1": [{"product_id": 2}]})
    assert received == [({}, {1: [Line(2)]})]
    received.clear()
    assert mistakes(app.post_json("/", {"x": [], "2": [{"product_id": 0}]}, status=422)) == [
        ("body", "/2/0/product_id", "Expected `int` >= 1")
    ]
    assert mistakes(app.post_json("/", {"x": []}, status=422)) == [("body", "", "Expected `int`, got `str`")]


def test_a_route_that_also_answers_get_needs_a_body_only_for_the_others() -> None:
    app = client(graph_of(look), methods=("GET", "POST"), body=Order)

    assert app.get("/").status_int == 200
    app.post("/", status=400)


def test_what_a_struct_checks_by_itself_is_a_mistake_of_the_client() -> None:
    class Range(msgspec.Struct):
        low: int
        high: int

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    app = client(graph_of(look), query=Range)

    assert mistakes(app.get("/?low=2&high=1", status=422)) == [("query", "", "low is above high")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": int}, "query takes a msgspec.Struct or a dataclass, not <class 'int'>"),
        ({"query": Search("x")}, "query takes a msgspec.Struct or a dataclass"),
        ({"body": object}, "not supported"),
    ],
)
def test_input_that_cannot_be_declared_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        App().add_graph("/", graph_of(nothing), **arguments)


@pytest.mark.parametrize("value", ["a" * 5000, "((((((((((" * 100, "\x00", "'; DROP TABLE", "%00", "é" * 1000])
def test_hostile_values_cost_nothing_and_are_data(value: str) -> None:
    assert Input(Search).read_query({"q": value}).q == value
