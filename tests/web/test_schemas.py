"""What is known of an answer before there is one: from annotations and `type=`, and never more than holds."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
import pytest

from fastdag.graph import Graph
from fastdag.node import Node
from fastdag.upstream.client import Upstream
from fastdag.web.app import App

UP = Upstream("up", "http://127.0.0.1:1")


class Seller(msgspec.Struct):
    name: str
    required: bool = False


class Card(TypedDict):
    seller: Seller


def schema(graph: Graph, **options: Any) -> Any:
    app = App()
    app.add_graph("/", graph, **options)
    document = app.openapi()
    answer = document["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return whole(answer, document["components"]["schemas"])


def whole(part: Any, components: dict[str, Any]) -> Any:
    """A schema with what it refers to put in its place."""
    if isinstance(part, list):
        return [whole(each, components) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return whole(components[part["$ref"].rpartition("/")[2]], components)
    return {key: whole(value, components) for key, value in part.items() if key != "title"}


SELLER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "required": {"type": "boolean", "default": False}},
    "required": ["name"],
}
SELECTED = {key: value for key, value in SELLER.items() if key != "required"}


def fetching(**options: Any) -> Graph:
    graph = Graph("page")
    graph.fetch("seller", UP, "/x", **{"output": "seller", **options})
    return graph


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({"type": Seller}, SELLER),
        ({"decode": "text"}, {"type": "string"}),
        ({"decode": "bytes"}, {"type": "string", "contentEncoding": "base64"}),
        ({"type": list[Seller], "fallback": []}, {"type": "array", "items": SELLER}),
        ({}, {}),
        ({"decode": len}, {}),
        ({"type": Seller, "fallback": "none"}, {}),
        ({"type": Seller, "fallback": Node("other")}, {}),
        ({"type": Seller, "pick": ["name"]}, {}),
        ({"type": Seller, "group": "data"}, {}),
    ],
)
def test_what_a_fetch_gives(options: dict[str, Any], known: dict[str, Any]) -> None:
    graph = fetching(**options)

    assert schema(graph, fields=False) == {"type": "object", "properties": {"seller": known}}


def test_a_fetch_that_may_be_empty_may_give_null() -> None:
    choice = schema(fetching(type=Seller, empty_on=404), fields=False)["properties"]["seller"]["anyOf"]
    assert choice in ([SELLER, {"type": "null"}], [{"type": "null"}, SELLER])  # which one depends on msgspec's version


def test_who_can_select_fields_is_promised_none() -> None:
    assert schema(fetching(type=Seller))["properties"] == {"seller": SELECTED}
    assert schema(fetching(type=Seller), fields=False)["properties"] == {"seller": SELLER}


def test_one_type_for_both_is_described_twice() -> None:
    app = App()
    app.add_graph("/a", fetching(type=Seller))
    app.add_graph("/b", fetching(type=Seller), methods=("POST",), body=Seller)

    assert set(app.openapi()["components"]["schemas"]) == {"Seller", "Seller.selected", "Problem"}


def test_at_the_root_and_under_keys() -> None:
    graph = Graph("page")

    @graph.node(output=True)
    def card(context: Any) -> Card:
        raise NotImplementedError

    @graph.node(output=True)
    def count(context: Any) -> int:
        raise NotImplementedError

    @graph.node(output=True)
    def perhaps(context: Any) -> Seller | None:
        raise NotImplementedError

    assert schema(graph, fields=False)["properties"] == {"seller": SELLER, "count": {"type": "integer"}}


def test_what_several_outputs_give_is_left_open() -> None:
    graph = fetching(type=Seller)
    graph.fetch("more", UP, "/y", type=Card, output=True)

    assert schema(graph)["properties"] == {"seller": {}}


def test_by_ids_keys_do_not_count() -> None:
    graph = Graph("page", merge="ids")
    graph.fetch("one", UP, "/x", type=Seller, output="two")

    assert schema(graph)["properties"] == {"one": SELECTED}


def test_what_is_included_keeps_its_type() -> None:
    graph = Graph("page")
    graph.include(fetching(type=Seller, output=True), prefix="its_")

    assert schema(graph)["properties"] == SELECTED["properties"]


def test_annotations_that_say_nothing_are_no_schema() -> None:
    class Odd:
        def __call__(self, context: Any) -> NoSuchType:  # type: ignore[name-defined]  # noqa: F821
            raise NotImplementedError

    graph = Graph("page")
    graph.node(id="odd", output="odd")(Odd())

    @graph.node(output="opaque")
    def opaque(context: Any) -> Graph:
        raise NotImplementedError

    assert schema(graph)["properties"] == {"odd": {}, "opaque": {}}
