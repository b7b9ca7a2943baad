"""What the panel says about routes, nodes, upstreams and requests; and what it never says."""

import json
import time

import pytest
from webtest import TestApp

from fastdag import App, Breaker, Cache, Graph, UpstreamConnectError
from fastdag.upstream.policies.store import MemoryStore
from fastdag.web.panel import Panel
from tests.observe.common import shop, upstream
from tests.panel.common import panelled

ROUTE = "GET /products/{id}"


def route(app, **query):
    return app.get("/_fastdag/data", query).json["route"]


def test_routes_come_with_their_numbers():
    app = panelled()
    for _ in range(3):
        app.get("/products/7")
    (found,) = app.get("/_fastdag/data").json["routes"]
    assert found["p50"] > 0 and found["rate"] > 0
    assert {**found, "p50": 0, "p95": 0, "rate": 0} == {
        "key": ROUTE,
        "methods": ["GET"],
        "path": "/products/{id}",
        "graph": "shop",
        "requests": 3,
        "rate": 0,
        "p50": 0,
        "p95": 0,
        "errors": 0,
        "partial": 0,
    }


def test_a_graph_comes_as_it_was_declared():
    graph = route(panelled())["graph"]
    assert [
        (node["id"], node["upstream"], node["call"], node["optional"], node["output"]) for node in graph["nodes"]
    ] == [
        ("product", "catalog", "GET /products/{path.id}", False, None),
        ("seller", "catalog", "GET /sellers/{product.id}", True, None),
        ("offer", "", "", False, "offer"),
    ]
    assert [(edge["parent"], edge["child"], edge["kind"], edge["optional"]) for edge in graph["edges"]] == [
        ("product", "seller", "data", False),
        ("product", "offer", "data", False),
        ("seller", "offer", "data", True),
    ]


def test_a_routes_own_time_limit_is_shown():
    app = panelled()
    app.app.add_graph("/slow/{id}", shop(upstream()), timeout=9)
    graph = route(app, route="GET /slow/{id}")["graph"]
    assert (graph["timeout"], {node["timeout"] for node in graph["nodes"]}) == (9, {9})


def test_methods_of_a_path_that_different_graphs_answer_are_different_routes():
    graph = Graph("order")
    graph.node(id="made", output=True)(lambda context: {"ok": True})
    app = panelled()
    app.app.add_graph("/products/{id}", graph, methods=("POST",))
    app.post("/products/7")
    app.get("/products/7")
    app.get("/products/7")
    found = app.get("/_fastdag/data").json["routes"]
    assert [(one["key"], one["requests"]) for one in found] == [(ROUTE, 2), ("POST /products/{id}", 1)]


def test_nodes_have_times_and_ends():
    failing = upstream((200, b'{"id": 7}'), (500, b"{}"), (200, b'{"id": 7}'), (200, b"{}"), retry=None)
    app = panelled(catalog=failing)
    app.get("/products/7")
    app.get("/products/7")
    about = route(app)
    states = {node["id"]: node["states"] for node in about["report"]["nodes"]}
    assert states == {"product": {"ok": 2}, "seller": {"failed": 1, "ok": 1}, "offer": {"ok": 2}}
    assert (about["report"]["runs"], about["report"]["complete"]) == (2, 1)
    assert app.get("/_fastdag/data").json["routes"][0]["partial"] == 1


def test_a_request_is_a_waterfall_with_its_calls():
    app = panelled()
    app.get("/products/7", headers={"X-Request-Id": "req-1"})
    (request,) = route(app)["requests"]
    assert (request["id"], request["status"], request["complete"]) == ("req-1", 200, True)
    assert [(node["id"], node["state"]) for node in request["nodes"]] == [
        ("product", "ok"),
        ("seller", "ok"),
        ("offer", "ok"),
    ]
    assert request["critical"] == ["product", "seller", "offer"]
    times = [time for node in request["nodes"] for time in (node["started"], node["ended"])]
    assert times == sorted(times) and times[0] > 0 and times[-1] <= request["elapsed"]
    for call, node in zip(request["calls"], request["nodes"], strict=False):
        assert (call["upstream"], call["node"], call["status"]) == ("catalog", node["id"], 200)
        assert node["started"] <= call["started"] <= call["started"] + call["elapsed"] <= node["ended"]


def test_a_failed_request_is_there_too():
    app = panelled(catalog=upstream(UpstreamConnectError("gone"), retry=None))
    app.get("/products/7", status=502)
    (request,) = route(app)["requests"]
    assert (request["status"], request["complete"]) == (502, False)
    assert (request["nodes"][0]["state"], request["nodes"][0]["reason"]) == ("failed", "connect")
    assert app.get("/_fastdag/data").json["routes"][0]["errors"] == 1


def test_breakers_and_caches_of_the_upstreams_are_shown():
    catalog = upstream(
        (200, b'{"id": 7}'), breaker=Breaker(consecutive=2), cache=Cache(ttl=60, max_entries=10), bulkhead=None
    )
    app = panelled(catalog=catalog)
    app.get("/products/7")
    app.get("/products/7")
    (about,) = route(app)["upstreams"]
    assert (about["name"], about["bulkhead"]) == ("catalog", None)
    assert {name: about["cache"][name] for name in ("entries", "hit", "stale", "miss")} == {
        "entries": 2,
        "hit": 2,
        "stale": 0,
        "miss": 2,
    }
    catalog.stack.circuits.force_open()
    (about,) = route(app)["upstreams"]
    assert [host["breaker"]["state"] for host in about["hosts"]] == ["forced_open"]


def test_a_store_that_is_not_ours_says_nothing_that_we_do_not_know():
    class Theirs(MemoryStore):
        def describe(self):
            return {"address": "redis://:secret@cache", "reachable": False}

    app = panelled(catalog=upstream(cache=Cache(ttl=60, store=Theirs(10_000, 10, time.monotonic))))
    app.get("/products/7")
    assert route(app)["upstreams"][0]["cache"] == {
        "hit": 0,
        "stale": 0,
        "miss": 2,
        "entries": None,
        "bytes": None,
        "reachable": False,
    }


def test_what_if_goes_through_the_runs_again():
    app = panelled()
    app.get("/products/7")
    assert route(app)["what_if"] is None
    told = route(app, faster="product:100")["what_if"]
    assert (told["runs"], told["p50"]) == (1, route(app)["report"]["p50"])
    assert told["p50_then"] < told["p50"]


@pytest.mark.parametrize("faster", ["product", "product:", "product:101", "product:-1", "product:1e1", "product:½"])
def test_what_if_takes_a_node_and_per_cent(faster):
    answer = panelled().get("/_fastdag/data", {"faster": faster}, status=400)
    assert answer.json["detail"] == "faster is a node, a colon, and per cent from 0 to 100."


def test_what_if_refuses_a_node_that_there_is_not():
    answer = panelled().get("/_fastdag/data", {"faster": "prodct:50"}, status=400)
    assert answer.json["detail"] == "There is no node 'prodct'; did you mean 'product'?"
    answer = TestApp(App(ops=True)).get("/_fastdag/data", {"faster": "product:50"}, status=400)
    assert answer.json["detail"] == "There is no node 'product'"


def test_what_if_leaves_out_a_node_that_has_not_run():
    graph = shop(upstream())
    app = panelled(graph)
    app.get("/products/7")
    graph.node(id="late", optional=True)(lambda context: 1)
    assert route(app, faster="late:50")["what_if"] is None


def test_a_route_that_there_is_not_is_not_found():
    answer = panelled().get("/_fastdag/data", {"route": "GET /product/{id}"}, status=404)
    assert answer.json["detail"] == "There is no route 'GET /product/{id}'; did you mean 'GET /products/{id}'?"


def test_an_app_without_graphs_has_a_panel():
    about = TestApp(App(ops=True)).get("/_fastdag/data").json
    assert (about["routes"], about["route"]) == ([], None)


def test_requests_that_no_graph_answers_are_not_kept():
    app = panelled()
    app.get("/livez")
    app.get("/nowhere", status=404)
    app.get("/_fastdag/data")
    assert app.get("/_fastdag/data").json["routes"][0]["requests"] == 0


def test_the_last_requests_are_kept_and_the_last_of_them_are_sent():
    app = panelled(keep=40)
    for _ in range(50):
        app.get("/products/7")
    about = app.get("/_fastdag/data").json
    assert about["routes"][0]["requests"] == about["route"]["report"]["runs"] == 40
    assert [request["number"] for request in about["route"]["requests"]] == list(range(21, 51))


def test_a_graph_that_a_node_runs_is_part_of_its_request():
    inner = Graph("inner")
    inner.node(id="deep", output=True)(lambda context: {"x": 1})
    outer = Graph("outer")
    outer.node(id="calls", output=True)(lambda context: inner.run(context).merged)
    app = panelled(outer)
    app.app.observers.watch(inner)
    app.get("/products/7")
    assert [node["id"] for node in route(app)["requests"][0]["nodes"]] == ["calls"]


def test_nothing_that_a_user_sent_or_got_is_said():
    secrets = [f"secret{number}" for number in range(6)]
    path, query, header, body, answer, error = secrets
    graph = Graph("shop")
    catalog = upstream((200, json.dumps({"id": answer}).encode()), cache=Cache(ttl=60))
    graph.fetch(
        "product", catalog, "/products/{path.id}", params={"q": "{query.q}"}, headers={"X-Who": "{headers.x-who}"}
    )
    graph.fetch(
        "seller", catalog, "/sellers/{product.id}", method="POST", json={"said": "{json.said}"}, output="seller"
    )

    @graph.node(optional=True, output="broken")
    def broken(context, product):
        raise ValueError(error)

    @graph.node(output=True)
    def first(context, product):
        return {answer: 1}

    @graph.node(output=True)
    def second(context, product):
        return {answer: 2}

    app = panelled()
    app.app.add_graph("/orders/{id}", graph, methods=("POST",))
    app.post_json(f"/orders/{path}?q={query}", {"said": body}, headers={"X-Who": header})
    shown = app.get("/_fastdag/data", {"route": "POST /orders/{id}"})
    assert {event["name"] for event in shown.json["route"]["requests"][0]["events"]} >= {
        "merge.conflict",
        "cache.miss",
    }
    assert shown.json["route"]["requests"][0]["nodes"][2]["reason"] == "exception"
    assert [secret for secret in secrets if secret in shown.text] == []


def test_one_panel_is_enough():
    panel = Panel()
    app = App(ops=True, observe=[panel])
    assert list(app.observers.having("mount")) == [panel.mount]
