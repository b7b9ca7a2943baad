"""What caches may do with an answer, and what a client need not be sent again."""

from __future__ import annotations

from typing import Any

import pytest

from fastdag.context import Context
from fastdag.graph import Graph
from fastdag.web.caching import combined
from tests.web.common import client, graph_of


def shop(*, big: bool = False, **options: Any) -> Graph:
    def product(context: Context) -> dict[str, Any]:
        return {"name": "Kettle " * (400 if big else 1), "version": context.query.get("v", "1")}

    return graph_of(product, **options)


@pytest.mark.parametrize(
    ("values", "result"),
    [
        (["max-age=60"], "max-age=60"),
        (["public, max-age=60, immutable"], "public, immutable, max-age=60"),
        (["max-age=60", "max-age=30"], "max-age=30"),
        (["max-age=60", "no-store"], "no-store"),
        (["max-age=60", "No-Store, private"], "no-store"),
        (["public, max-age=60", "private, max-age=90"], "private, max-age=60"),
        (["public, max-age=60", "max-age=90"], "max-age=60"),
        (["max-age=10", "max-age=100, s-maxage=100"], "max-age=10, s-maxage=10"),
        (["max-age=60", "no-cache"], "no-cache, max-age=60"),
        (["max-age=60", "max-age=soon"], "max-age=0"),
        (["max-age=60", 'max-age="5"'], "max-age=5"),
        (["max-age=" + "9" * 5000], "max-age=2147483648"),
        (["max-age=60, stale-if-error=9", "max-age=60, stale-if-error=5"], "max-age=60, stale-if-error=5"),
        (["max-age=60, stale-if-error=9", "max-age=60"], "max-age=60"),
        (["max-age=60, unheard-of=1", " , "], "max-age=60"),
    ],
)
def test_an_answer_is_as_careful_as_its_most_careful_part(values: list[str], result: str) -> None:
    assert combined(values) == result
    assert set(combined(values[::-1]).split(", ")) == set(result.split(", "))


def test_what_nodes_and_route_say_is_combined() -> None:
    def one(context: Context) -> None:
        context.response.headers["Cache-Control"] = "public, max-age=300"

    def two(context: Context) -> None:
        context.response.add_header("cache-control", "private, max-age=20")

    response = client(graph_of(one, two), cache_control="public, max-age=60").get("/")

    assert response.headers["Cache-Control"] == "private, max-age=20"


def test_vary_names_the_headers_that_were_looked_at() -> None:
    def node(context: Context) -> None:
        context.headers.get("accept-language")
        assert "x-tenant" not in context.headers
        context.headers.get("traceparent")
        context.response.headers["Vary"] = "Cookie"

    assert client(graph_of(node)).get("/").headers["Vary"] == "Cookie, accept-language, x-tenant"


@pytest.mark.parametrize("look", [dict, list, lambda headers: list(headers.items()), lambda headers: headers.values()])
def test_whoever_goes_through_all_headers_depends_on_all(look: Any) -> None:
    def node(context: Context) -> None:
        look(context.headers)

    assert client(graph_of(node)).get("/").headers["Vary"] == "*"


def test_an_answer_that_depends_on_no_header_does_not_vary() -> None:
    assert "Vary" not in client(shop()).get("/").headers


def test_the_same_content_has_the_same_tag_and_other_content_another() -> None:
    app = client(shop())

    first, again, other = app.get("/"), app.get("/"), app.get("/?v=2")

    assert first.headers["ETag"] == again.headers["ETag"] != other.headers["ETag"]
    assert first.headers["ETag"].startswith('"')


@pytest.mark.parametrize("pattern", ["{}", "W/{}", '"other", {}', '"other",W/{} , "x"', "*"])
def test_a_client_that_has_it_gets_304(pattern: str) -> None:
    app = client(shop(), cache_control="max-age=60")
    tag = app.get("/").headers["ETag"]

    response = app.get("/", headers={"If-None-Match": pattern.format(tag)}, status=304)

    assert response.body == b""
    assert response.headers["ETag"] == tag
    assert response.headers["Cache-Control"] == "max-age=60"
    assert "Content-Type" not in response.headers
    assert app.head("/", headers={"If-None-Match": tag}).status_int == 304


@pytest.mark.parametrize("held", ['"other"', "", 'W/"other"', "garbage"])
def test_a_client_that_has_something_else_gets_it_all(held: str) -> None:
    assert client(shop()).get("/", headers={"If-None-Match": held}).status_int == 200


def test_a_tag_that_a_node_sets_is_the_tag_and_stands_for_the_plain_bytes() -> None:
    def node(context: Context) -> dict[str, str]:
        context.response.headers["ETag"] = '"v7"'
        return {"a": "b" * 3000}

    app = client(graph_of(node))
    response = app.get("/", headers={"Accept-Encoding": "gzip"})

    assert response.headers["ETag"] == '"v7"'
    assert "Content-Encoding" not in response.headers
    app.get("/", headers={"If-None-Match": '"v7"'}, status=304)


def test_partial_answers_and_other_statuses_have_no_tag() -> None:
    graph = shop()

    @graph.node(optional=True)
    def ads(context: Context) -> None:
        raise ConnectionError

    def created(context: Context) -> None:
        context.response.status = 201

    assert "ETag" not in client(graph).get("/").headers
    assert "ETag" not in client(graph_of(created)).get("/").headers
    assert "ETag" not in client(shop(), methods=("POST",)).post("/").headers
