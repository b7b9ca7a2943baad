"""The description of an app: true to its routes, valid OpenAPI 3.1, and readable without the internet."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from webtest import TestApp

from fastdag.context import Context
from fastdag.graph import Graph
from fastdag.upstream.client import Upstream
from fastdag.web.app import App
from fastdag.web.openapi import template
from tests.web.common import graph_of, nothing


class Product(msgspec.Struct):
    id: int
    name: Annotated[str, msgspec.Meta(description="As printed on the box.")]


class Line(msgspec.Struct, rename="camel"):
    product_id: Annotated[int, msgspec.Meta(ge=1)]


@dataclasses.dataclass
class Page:
    size: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many at once.")]
    tag: list[str] = dataclasses.field(default_factory=list)


def product(context: Context) -> Product:
    """The product, as the catalogue has it."""
    return Product(1, "Kettle")


def reviews(context: Context) -> list[str]:
    """What buyers say.

    At most ten.
    """
    return []


def untold(context: Context):  # type: ignore[no-untyped-def]
    return {"a": 1}


@pytest.fixture
def app() -> App:
    page = Graph("product_page")
    page.node(output=True)(product)
    page.node(output="reviews")(reviews)
    page.node(output="untold")(untold)
    made = App(ops=True, title="Shop <&>", version="7")
    made.add_graph("/products/{id:int(min=1)}", page, query=Page, partial_status=203)
    made.add_graph("/orders", graph_of(nothing, id="order"), methods=("POST",), body=list[Line])
    made.add_graph("/list", graph_of(reviews, id="list", body="reviews"))
    made.add_graph("/ids", graph_of(product, reviews, id="ids", merge="ids"), stream=True)
    made.add_graph("/own", graph_of(product, id="own", merge=lambda outputs: 1))
    return made


def test_it_is_valid_and_served_where_that_is_asked_for(app: App) -> None:
    document = TestApp(app).get("/openapi.json").json

    OpenAPIV31SpecValidator(document).validate()
    assert document == msgspec.json.decode(msgspec.json.encode(app.openapi()))
    assert document["info"] == {"title": "Shop <&>", "version": "7"}
    assert list(document["paths"]) == ["/ids", "/list", "/orders", "/own", "/products/{id}"]


def test_an_app_without_routes_is_valid_too() -> None:
    OpenAPIV31SpecValidator(App().openapi()).validate()


def test_input_is_described_as_it_is_declared(app: App) -> None:
    paths = app.openapi()["paths"]

    item = paths["/products/{id}"]
    assert item["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    ]
    size, tag, fields = item["get"]["parameters"]
    assert (fields["name"], fields["required"], fields["schema"]["type"]) == ("fields", False, "array")
    assert size == {
        "name": "size",
        "in": "query",
        "required": True,
        "description": "How many at once.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100},
    }
    assert (tag["name"], tag["required"], tag["schema"]["type"]) == ("tag", False, "array")
    body = paths["/orders"]["post"]["requestBody"]
    assert body["required"] is True
    assert body["content"]["application/json"]["schema"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Line"},
    }
    assert "productId" in app.openapi()["components"]["schemas"]["Line"]["properties"]


def test_answers_are_described_as_far_as_annotations_tell(app: App) -> None:
    def schema(path: str) -> Any:
        answer = app.openapi()["paths"][path]["get"]["responses"]["200"]
        return answer["content"]["application/json"]["schema"]

    strings = {"type": "array", "items": {"type": "string"}}
    properties = schema("/products/{id}")["properties"]
    assert properties["reviews"] == strings
    assert properties["name"] == {"type": "string", "description": "As printed on the box."}
    assert properties["untold"] == {}
    assert schema("/list") == strings
    assert schema("/ids")["properties"] == {
        "product": {"$ref": "#/components/schemas/Product.selected"},
        "reviews": strings,
    }
    assert schema("/own") == {}
    streams = app.openapi()["paths"]["/ids"]["get"]["responses"]["200"]["content"]
    assert {"application/json", "application/x-ndjson", "text/event-stream"} == set(streams)


def test_problems_and_completeness_are_described(app: App) -> None:
    paths = app.openapi()["paths"]

    answers = paths["/products/{id}"]["get"]["responses"]
    assert {"200", "203", "304", "400", "406", "422", "500", "502", "503", "504", "default"} == set(answers)
    assert {"Fastdag-Complete", "Fastdag-Missing", "ETag", "X-Request-Id"} <= set(answers["200"]["headers"])
    assert answers["502"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    assert {"413", "415", "422"} <= set(paths["/orders"]["post"]["responses"])
    assert "content" not in paths["/products/{id}"]["head"]["responses"]["200"]


def test_docstrings_describe_the_operation(app: App) -> None:
    operation = app.openapi()["paths"]["/products/{id}"]["get"]

    assert operation["summary"] == "product_page"
    assert operation["description"] == (
        "- `product`: The product, as the catalogue has it.\n- `reviews`: What buyers say. At most ten."
    )


def test_routes_that_are_added_later_are_described(app: App) -> None:
    app.add_graph("/later", graph_of(nothing, id="later"))

    assert "/later" in TestApp(app).get("/openapi.json").json["paths"]


def test_types_of_one_name_do_not_get_mixed_up() -> None:
    app = App()
    for path, kind in (("/a", int), ("/b", str)):
        item = msgspec.defstruct("Item", [("field", kind)], module=f"shop{path.replace('/', '.')}")
        app.add_graph(path, graph_of(nothing, id="x"), methods=("POST",), body=item)

    document = app.openapi()
    OpenAPIV31SpecValidator(document).validate()
    schemas = document["components"]["schemas"]
    assert sorted(schema["properties"]["field"]["type"] for name, schema in schemas.items() if "Item" in name) == [
        "integer",
        "string",
    ]


@pytest.mark.parametrize(
    ("path", "written"),
    [("/", "/"), ("/a/{id}", "/a/{id}"), ("/a/{id:int(2, min=1)}.{ext}", "/a/{id}.{ext}"), ("/{x:path}", "/{x}")],
)
def test_converters_do_not_show_in_templates(path: str, written: str) -> None:
    assert template(path) == written


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_it_shows(app: App) -> None:
    response = TestApp(app).get("/_fastdag/docs")

    assert response.content_type == "text/html"
    assert "Shop &lt;&amp;&gt;" in response.text
    assert "<code>POST /orders</code>" in response.text
    assert "What buyers say." in response.text
    assert "http" not in response.text.replace("https://", "http")
    assert "<script" not in response.text
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_nothing_of_it_is_there_by_default() -> None:
    client = TestApp(App())

    for path in ("/openapi.json", "/_fastdag/docs", "/_fastdag/", "/metrics"):
        client.get(path, status=404)


def test_relayed_and_declared_statuses_are_described() -> None:
    up = Upstream("up", "http://127.0.0.1:1")
    inner = Graph("inner")
    inner.fetch("seller", up, "/sellers/{path.id}", relay=(404, 410))
    graph = Graph("page")
    graph.fetch("product", up, "/products/{path.id}", relay=(303, 404))
    graph.include(inner, prefix="its_")
    app = App()
    texts = {201: "It is there now.", 204: "Nothing to say.", 409: "Too many."}
    app.add_graph("/{id}", graph, methods=("POST",), responses=texts)

    document = app.openapi()
    OpenAPIV31SpecValidator(document).validate()
    answers = document["paths"]["/{id}"]["post"]["responses"]
    assert "200" not in answers
    assert answers["201"]["description"] == "It is there now."
    assert "application/json" in answers["201"]["content"]
    assert answers["204"] == {"description": "Nothing to say."}
    assert answers["303"] == {"description": "See Other, the answer to `product`."}
    assert answers["404"]["description"] == "Not Found, the answer to `product`, `its_seller`."
    assert answers["410"]["description"] == "Gone, the answer to `its_seller`."
    assert list(answers["409"]["content"]) == ["application/problem+json"]


def test_a_redirection_alone_leaves_the_200() -> None:
    app = App()
    app.add_graph("/", graph_of(nothing), responses={303: "It has moved."})

    assert {"200", "303"} <= set(app.openapi()["paths"]["/"]["get"]["responses"])


@pytest.mark.parametrize("responses", [{"201": "Created."}, {201: dict}])
def test_responses_that_make_no_sense_are_refused(responses: Any) -> None:
    with pytest.raises(TypeError, match="responses maps statuses to texts"):
        App().add_graph("/", graph_of(nothing), responses=responses)
