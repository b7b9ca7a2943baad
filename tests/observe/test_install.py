"""Observers are installed on all that an app consists of, and what is told is what the catalogue of events says."""

import pytest
from webtest import TestApp

from fastdag.events import EVENTS
from fastdag.graph import Graph
from fastdag.observe.install import Observers, upstreams_of
from fastdag.observe.timeline import Timeline
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.web.app import App
from tests.observe.common import client, shop, upstream


class Everything:
    """Hears of everything."""

    def __init__(self):
        self.told = []

    def events(self):
        return dict.fromkeys(EVENTS, lambda name, fields: self.told.append((name, fields)))

    def names(self):
        return [name for name, _ in self.told]


def test_one_request_from_the_outside_in():
    everything = Everything()
    client(shop(upstream()), everything).get("/products/7")
    assert everything.names() == [
        "request.started",
        "run.started",
        *("node.started", "call.started", "attempt.started", "attempt.ended", "call.ended", "node.ended"),
        *("node.started", "call.started", "attempt.started", "attempt.ended", "call.ended", "node.ended"),
        *("node.started", "node.ended"),
        "run.ended",
        "request.ended",
    ]


def test_every_event_has_the_fields_of_the_catalogue():
    everything, app = Everything(), App(max_in_flight=1)
    graph, asked = Graph("page"), upstream((503, b""), (503, b""), (200, b"{}"), cache=Cache(ttl=60))
    full = upstream(name="full", bulkhead=Bulkhead(limit=1, wait=0))
    full.stack.site.states["bulkhead"].in_flight = 1
    graph.fetch("asked", asked, "/x", fallback={"a": 1}, output=True)
    graph.fetch("full", full, "/x", optional=True)
    graph.node(id="other", output=True)(lambda context: {"a": 2})
    graph.node(id="broken", sink=True)(lambda context: 1 / 0)
    Observers([everything]).watch(app, graph)
    app.add_graph("/", graph)
    served = TestApp(app)
    served.get("/")  # retried in vain
    asked.stack.circuits.force_open()
    served.get("/")
    asked.stack.circuits.reset()
    served.get("/")
    served.get("/")  # from the cache
    app.in_flight = 1
    served.get("/", status=503)
    graph.drain()
    for name, fields in everything.told:
        shed = name == "request.shed"
        assert set(fields) <= set(EVENTS[name]) if shed else set(fields) == set(EVENTS[name]), name
    policies = {"retry.scheduled", "retry.refused", "breaker.changed", "breaker.rejected", "bulkhead.rejected"}
    others = {"cache.miss", "cache.hit", "merge.conflict", "request.shed", "sink.failed"}
    assert policies | others <= set(everything.names())


def test_nobody_can_change_what_the_next_one_is_told():
    everything = Everything()
    client(shop(upstream()), everything).get("/products/7")
    with pytest.raises(TypeError):
        everything.told[0][1]["method"] = "POST"


def test_upstreams_are_found_behind_elements_and_subgraphs():
    catalog, reviews, inner, outer = upstream(), upstream(name="reviews"), Graph("inner"), Graph("outer")
    inner.fetch("found", catalog, "/search")
    inner.fetch("stars", reviews, "/{item}", each="found.items")
    outer.include(inner, prefix="left_")
    assert upstreams_of(outer) == [catalog, reviews]


def test_an_upstream_of_several_graphs_is_watched_once():
    everything, catalog = Everything(), upstream()
    app = App(observe=[everything])
    app.add_graph("/a/{id}", shop(catalog))
    app.add_graph("/b/{id}", shop(catalog))
    TestApp(app).get("/a/7")
    assert everything.names().count("call.started") == 2


def test_nodes_that_join_before_the_app_starts_are_watched():
    everything, graph, late = Everything(), shop(upstream()), upstream(name="late")
    app = App(observe=[everything])
    app.add_graph("/products/{id}", graph)
    graph.fetch("late", late, "/x", optional=True)
    TestApp(app).get("/livez")
    app.start()
    TestApp(app).get("/products/7")
    assert "late" in {fields.get("upstream") for _, fields in everything.told}


def test_an_upstream_that_only_a_function_calls_is_named():
    everything, catalog, graph = Everything(), upstream(), Graph("page")
    graph.node(id="asks")(lambda context: catalog.get("/x").status_code)
    app = App(observe=[everything])
    app.add_graph("/", graph)
    TestApp(app).get("/")
    assert "call.started" not in everything.names()
    app.observers.watch(catalog)
    TestApp(app).get("/")
    (call,) = [fields for name, fields in everything.told if name == "call.started"]
    assert call["node"] == "asks"


def test_observers_start_and_stop_with_the_app():
    class Starts(Everything):
        def start(self):
            self.told.append(("start", {}))

        def stop(self):
            self.told.append(("stop", {}))

    starts = Starts()
    app = App(observe=[starts, Timeline()], on_start=lambda: starts.told.append(("hook", {})))
    app.start()
    app.stop()
    assert starts.names() == ["start", "hook", "stop"]


def test_an_observer_that_raises_is_switched_off_and_the_request_answered(caplog):
    class Broken:
        def events(self):
            return dict.fromkeys(EVENTS, lambda name, fields: 1 / 0)

    everything = Everything()
    app = client(shop(upstream()), Broken(), everything)
    assert app.get("/products/7").json["offer"] == {"id": 7}
    assert "request.ended" in everything.names()
    assert "switched off" in caplog.text


def test_what_is_no_observer_is_refused():
    with pytest.raises(TypeError, match=r"an observer has a method events\(\)"):
        App(observe=[print])


def test_observers_are_found_by_their_kind():
    timeline = Timeline()
    app = App(observe=[Everything(), timeline])
    assert app.observers.find(Timeline) is timeline
    assert app.observers.find(Graph) is None
