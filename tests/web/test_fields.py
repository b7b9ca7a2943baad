"""`?fields=`: only what is asked for runs and is sent, and only outputs can be asked for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastdag.context import Context
from fastdag.graph import Graph
from tests.web.common import client

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def shop() -> Graph:
    graph = Graph("shop")

    @graph.node
    def account(context: Context) -> dict[str, str]:
        ran.append("account")
        return {"password": "hunter2"}

    @graph.node(output="offer")
    def offer(context: Context, account: dict[str, str]) -> dict[str, Any]:
        ran.append("offer")
        return {"price": 3, "stars": 4}

    @graph.node(output="seller")
    def seller(context: Context) -> dict[str, str]:
        ran.append("seller")
        return {"name": "Ann"}

    return graph


@pytest.mark.parametrize(
    ("query", "answer", "nodes"),
    [
        ("", {"offer": {"price": 3, "stars": 4}, "seller": {"name": "Ann"}}, ["account", "offer", "seller"]),
        ("?fields=seller", {"seller": {"name": "Ann"}}, ["seller"]),
        ("?fields=offer.price", {"offer": {"price": 3}}, ["account", "offer"]),
        ("?fields=seller,offer.stars", {"offer": {"stars": 4}, "seller": {"name": "Ann"}}, None),
        ("?fields=seller&fields=offer.stars", {"offer": {"stars": 4}, "seller": {"name": "Ann"}}, None),
    ],
)
def test_only_what_is_asked_for_runs_and_is_sent(query: str, answer: Any, nodes: list[str] | None) -> None:
    assert client(shop()).get(f"/{query}").json == answer
    assert nodes is None or sorted(ran) == nodes


@pytest.mark.parametrize(
    "asked",
    [
        *("nothing", "account", "account.password", "seller,account"),
        *(",", "seller,", ".price", "offer..price", "", " seller", "offer." + "x" * 64),
    ],
)
def test_what_is_no_output_cannot_be_asked_for(asked: str) -> None:
    response = client(shop()).get(f"/?fields={asked}", status=400)

    assert response.content_type == "application/problem+json"
    assert response.json["known"] == ["offer", "seller"]
    assert response.json["errors"][0]["pointer"] == "/fields"
    assert ran == []


def test_nobody_needs_more_than_twenty_fields() -> None:
    client(shop()).get(f"/?fields={','.join(f'offer.f{n}' for n in range(20))}")
    client(shop()).get(f"/?fields={','.join(f'offer.f{n}' for n in range(21))}", status=400)


def test_a_route_can_switch_it_off() -> None:
    assert client(shop(), fields=False).get("/?fields=nothing").status_int == 200


def test_a_declared_parameter_of_that_name_is_the_route_s_own() -> None:
    class Query(msgspec.Struct):
        fields: str

    assert client(shop(), query=Query).get("/?fields=nothing").status_int == 200


def test_declared_input_that_knows_no_other_names_does_not_refuse_it() -> None:
    class Query(msgspec.Struct, forbid_unknown_fields=True):
        page: int = 1

    assert client(shop(), query=Query).get("/?fields=seller&page=2").json == {"seller": {"name": "Ann"}}


def test_an_answer_that_is_one_node_s_data_is_pruned() -> None:
    graph = Graph("list", body="rows")

    @graph.node
    def rows(context: Context) -> list[dict[str, int]]:
        return [{"a": 1, "b": 2}, {"a": 3, "b": 4}]

    assert client(graph).get("/?fields=a").json == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize(
    ("methods", "fields", "selects"),
    [
        (("GET",), None, True),
        (("GET",), False, False),
        (("POST",), None, False),
        (("GET", "POST"), None, False),
        (("POST",), True, True),
    ],
)
def test_what_changes_something_is_not_selected_from_unless_the_route_says_so(
    methods: tuple[str, ...], fields: bool | None, selects: bool
) -> None:
    made = client(shop(), methods=methods, fields=fields)

    response = made.request("/?fields=seller", method=methods[-1])
    assert (list(response.json) == ["seller"]) is selects
