"""When requests are recorded: from the first look until some minutes after the last, or always."""

import pytest
import requests

from fastdag.web.panel import Panel, recording
from tests.observe.common import client, shop, upstream
from tests.panel.common import panelled


def kept(app):
    return app.get("/_fastdag/data").json["routes"][0]["requests"]


@pytest.fixture
def clock(monkeypatch):
    time = [1000.0]
    monkeypatch.setattr(recording, "now", lambda: time[0])
    return time


def subjects(app, graph, catalog):
    return [app.app.instruments, graph.instruments, catalog.instruments]


def test_a_service_that_nobody_looks_at_pays_nothing(clock):
    catalog = upstream()
    graph = shop(catalog)
    app = client(graph, ops=True)
    told = subjects(app, graph, catalog)
    app.get("/products/7")
    assert [one.active for one in told] == [False] * 3

    assert kept(app) == 0
    assert [one.active for one in told] == [True] * 3
    app.get("/products/7")
    clock[0] += 299
    app.get("/products/7")
    assert kept(app) == 2
    assert len(app.get("/_fastdag/data").json["route"]["requests"][0]["calls"]) == 2

    clock[0] += 301
    app.get("/products/7")  # the last of them
    assert [one.active for one in told] == [False] * 3
    app.get("/products/7")
    assert kept(app) == 3
    app.get("/products/7")
    assert kept(app) == 4


def test_other_observers_go_on(clock):
    seen = []

    class Mine:
        def events(self):
            return {"request.ended": lambda name, fields: seen.append(fields["path"])}

    app = client(shop(upstream()), Mine(), ops=True)
    kept(app)
    clock[0] += 301
    app.get("/products/7")
    app.get("/products/8")
    assert seen[-2:] == ["/products/7", "/products/8"]


def test_routes_that_are_added_while_somebody_looks_are_recorded():
    app = client(shop(upstream()), ops=True)
    kept(app)
    app.app.add_graph("/late/{id}", shop(upstream()))
    kept(app)
    app.get("/late/7")
    assert app.get("/_fastdag/data").json["routes"][1]["requests"] == 1


def test_always_begins_at_once_and_does_not_end(clock):
    app = panelled(always=True)
    app.get("/products/7")
    assert kept(app) == 1
    clock[0] += 1000
    app.get("/products/7")
    app.get("/products/7")
    assert kept(app) == 3


@pytest.mark.parametrize("observe", [(), (Panel(always=True),)], ids=["by itself", "given"])
def test_with_an_address_for_operators_the_panel_is_there_only(observe):
    app = client(shop(upstream()), *observe, ops="127.0.0.1:0")
    app.app.start()
    try:
        panel = f"http://127.0.0.1:{app.app.desk.address[1]}/_fastdag"
        assert requests.get(f"{panel}/", timeout=5).status_code == 200
        requests.get(f"{panel}/data", timeout=5)
        app.get("/products/7")
        assert requests.get(f"{panel}/data", timeout=5).json()["routes"][0]["requests"] == 1
        with requests.get(f"{panel}/live", stream=True, timeout=5) as live:
            assert next(live.iter_lines()).startswith(b'data: {"worker":')
        app.get("/_fastdag/", status=404)
    finally:
        app.app.stop()
