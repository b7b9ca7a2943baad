"""Answers that lack something: which headers say so, and what a route can make of them."""

from __future__ import annotations

import pytest

from fastdag.context import Context
from fastdag.errors import StaleAnswer, UpstreamConnectError, UpstreamTimeout
from fastdag.graph import Graph
from fastdag.outcome import FALLBACK, Outcome
from fastdag.web.partial import missing_header
from tests.web.common import client


def shop() -> Graph:
    graph = Graph("page")

    @graph.node(output=True)
    def product(context: Context) -> dict[str, int]:
        return {"id": 1}

    @graph.node(optional=True, fallback=[], output="reviews")
    def reviews(context: Context) -> None:
        raise UpstreamTimeout("10.0.0.5")

    @graph.node(optional=True)
    def account(context: Context) -> None:
        raise UpstreamConnectError("10.0.0.5")

    @graph.node
    def ads(context: Context, account: None) -> None:
        raise AssertionError

    @graph.node(when=lambda context: False)
    def banner(context: Context) -> None:
        raise AssertionError

    return graph


def test_what_is_missing_is_listed_in_the_order_of_declaration_and_not_stored() -> None:
    response = client(shop(), cache_control="max-age=60").get("/")

    assert response.status_int == 200
    assert response.json == {"id": 1, "reviews": []}
    assert response.headers["Fastdag-Complete"] == "false"
    assert (
        response.headers["Fastdag-Missing"]
        == "reviews;reason=timeout;fallback, account;reason=connect, ads;reason=dependency"
    )
    assert response.headers["Cache-Control"] == "no-store"
    assert "10.0.0.5" not in str(response.headers)


def test_partial_answers_are_never_stored_whatever_a_node_says() -> None:
    graph = shop()

    @graph.node
    def eager(context: Context) -> None:
        context.response.headers["Cache-Control"] = "max-age=600"

    assert client(graph).get("/").headers["Cache-Control"] == "no-store"


def test_a_skip_by_condition_leaves_the_answer_complete() -> None:
    graph = Graph("page")

    @graph.node(when=lambda context: False)
    def banner(context: Context) -> None:
        raise AssertionError

    response = client(graph).get("/")

    assert response.headers["Fastdag-Complete"] == "true"
    assert "Fastdag-Missing" not in response.headers


def test_a_route_can_give_partial_answers_a_status() -> None:
    assert client(shop(), partial_status=203).get("/").status_int == 203


def test_a_status_that_a_node_chose_stands_above_that() -> None:
    graph = shop()

    @graph.node
    def created(context: Context) -> None:
        context.response.status = 201

    assert client(graph, partial_status=203).get("/").status_int == 201


def test_a_route_can_refuse_to_serve_partial_answers() -> None:
    response = client(shop(), on_partial="fail").get("/", status=504)

    assert response.json["node"] == "reviews"
    assert response.json["reason"] == "timeout"
    assert "Fastdag-Complete" not in response.headers


@pytest.mark.parametrize(
    ("node_id", "written"),
    [
        ("left_product", "left_product"),
        ("home:ads/top", "home:ads/top"),
        ("2nd", '"2nd"'),
        ("two words", '"two words"'),
        ('say "hi" \\', '"say \\"hi\\" \\\\"'),
        ("prix_é", '%"prix_%c3%a9"'),
        ('é"%', '%"%c3%a9%22%25"'),
        ("a\r\nb", '%"a%0d%0ab"'),
    ],
)
def test_any_id_can_stand_in_the_list(node_id: str, written: str) -> None:
    outcome = Outcome(FALLBACK, reason="status")

    assert missing_header([(node_id, outcome)]) == f"{written};reason=status;fallback"


def test_an_old_answer_in_place_of_a_failure_is_told_as_such() -> None:
    outcome = Outcome(FALLBACK, error=StaleAnswer("an old answer stands in", reason="connect"), reason="connect")

    assert missing_header([("price", outcome)]) == "price;reason=connect;fallback;stale"


def test_lost_elements_leave_the_answer_incomplete() -> None:
    graph = Graph("page")

    @graph.node
    def found(context: Context) -> list[int]:
        return [1, 0, 2]

    @graph.node(each="found", on_item_error="drop", output="shares")
    def share(context: Context, item: int) -> float:
        return 1 / item

    response = client(graph, cache_control="max-age=60").get("/")

    assert response.json == {"shares": [1.0, 0.5]}
    assert response.headers["Fastdag-Complete"] == "false"
    assert response.headers["Fastdag-Missing"] == "share;reason=exception;partial"
    assert response.headers["Cache-Control"] == "no-store"
