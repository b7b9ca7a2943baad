"""The failure matrix of a service: each fetch, each fault, and what the client gets; as data, text and Markdown."""

import msgspec
import pytest

from fastdag import App, Cache, Graph, Hedge, Upstream
from fastdag.testing import FAULTS, Asked, FakeUpstream, Matrix, Row, failure_matrix, override, status

from . import trips


@pytest.fixture
def fakes(world):
    return {trips.places: world.places, trips.weather: world.weather, trips.hotels: world.hotels}


def test_the_matrix_of_the_trips_is_what_is_under_version_control(fakes, snapshot_file, no_leaks):
    matrix = failure_matrix(trips.app, "/trips/Oslo?home=1,1", upstreams=fakes, slow=0.02)
    assert len(matrix.rows) == 1 + 5 * 5
    snapshot_file(matrix.markdown(), "trips.md")


def test_a_required_fetch_that_fails_is_a_status_and_an_optional_one_a_header(fakes):
    matrix = failure_matrix(trips.app, "/trips/Oslo", upstreams=fakes, nodes=["city", "back_forecast"], slow=None)
    statuses = {row.fault: row.status for row in matrix.rows if row.node == "city"}
    assert statuses == {"timeout": 504, "5xx": 502, "bad JSON": 502, "refused": 502}
    row = matrix.row("back_forecast", "refused")
    assert (row.status, row.headers["fastdag-missing"]) == (200, "back_forecast;reason=connect;fallback")
    assert row.body["advice"] == "Oslo: blue there, unknown back, 6 beds"
    assert matrix.row("", "none").headers == {"fastdag-complete": "true"}


def test_slow_is_an_answer_that_still_comes_or_a_timeout(fakes):
    def slow(seconds):
        return failure_matrix(trips.app, "/trips/Oslo", upstreams=fakes, nodes=["city"], slow=seconds, faults={})

    assert slow(0.02).row("city", "slow").status == 200
    assert slow(30).row("city", "slow").body["reason"] == "timeout"


def test_one_row_knows_nothing_of_another(fakes, world):
    faults = {f"5xx {n}": status(500) for n in range(2 * trips.weather.stack.policies["breaker"].consecutive)}
    matrix = failure_matrix(
        trips.app, "/trips/Oslo", upstreams=fakes, nodes=["there_forecast"], faults=faults, slow=None
    )
    assert {row.headers["fastdag-missing"] for row in matrix.rows[1:]} == {"there_forecast;reason=status;fallback"}
    assert len(world.forecast.calls) == 2 + len(faults)  # the calls of the other node with the same upstream


def test_nothing_is_changed_afterwards(fakes):
    before = [(upstream.stack, upstream.hosts) for upstream in trips.ALL]
    failure_matrix(trips.app, "/trips/Oslo", upstreams=fakes, nodes=["city"], faults={"5xx": FAULTS["5xx"]})
    assert [(upstream.stack, upstream.hosts) for upstream in trips.ALL] == before
    assert "declaration" not in vars(trips.trip)
    assert not trips.trip.instruments.active


def test_more_faults_by_name_and_nodes_that_are_overridden(fakes):
    faults = {"busy": status(503, headers={"Retry-After": "7"})}
    with override(trips.trip, advice="none"):
        matrix = failure_matrix(trips.app, "/trips/Oslo", upstreams=fakes, nodes=["city"], faults=faults)
    assert matrix.row("", "none").body["advice"] == "none"
    assert (matrix.row("city", "busy").status, matrix.row("city", "busy").headers["retry-after"]) == (503, "7")


def test_a_graph_is_bound_to_a_route_and_asked_in_any_way():
    back = Upstream("back", "http://back:8080", timeout=0.8)
    order = Graph("order")
    order.fetch("charge", back, "/charges", method="POST", json={"sum": "{json.sum}"}, output="charge")
    with FakeUpstream() as fake:
        fake.on("POST /charges", lambda call: call.json())
        asked = Asked("/orders", "POST", {"Content-Type": "application/json"}, b'{"sum": 3}')
        faults = {"5xx": FAULTS["5xx"]}
        matrix = failure_matrix(order, asked, route="/orders", upstreams={back: fake}, faults=faults, slow=None)
    assert matrix.row("", "none").body == {"charge": {"sum": 3}}
    assert matrix.row("charge", "5xx").status == 502


@pytest.mark.parametrize(
    "options",
    [
        {"hedge": Hedge(after=0.001, extra=1.0)},
        {"coalesce": True},
        {"cache": Cache(ttl=60)},
        {"transport": "requests"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_faults_are_met_below_every_policy_and_on_every_transport(options):
    back = Upstream("back", "http://back:8080", timeout=0.8, **options)
    graph = Graph("two")
    graph.fetch("one", back, "/one", output="one", optional=True)
    graph.fetch("other", back, "/other", output="other", optional=True)
    with FakeUpstream(delay=0.005) as fake:
        fake.on("GET /*", {})
        matrix = failure_matrix(graph, "/x", route="/x", upstreams={back: fake}, nodes=["one"], slow=0.01)
    missing = {row.fault: row.headers.get("fastdag-missing") for row in matrix.rows}
    failed = {"timeout": "timeout", "5xx": "status", "bad JSON": "decode", "refused": "connect"}
    well = {"none": None, "slow": None}
    assert missing == well | {fault: f"one;reason={reason}" for fault, reason in failed.items()}


def test_an_answer_without_json_is_text():
    back = Upstream("back", "http://back:8080", timeout=0.8)
    graph = Graph("moved")
    graph.fetch("place", back, "/", relay=304)
    with FakeUpstream() as fake:
        fake.on("GET /", status(304, b""))
        matrix = failure_matrix(graph, "/x", route="/x", upstreams={back: fake}, nodes=[])
    assert [(row.status, row.body) for row in matrix.rows] == [(304, "")]


def test_a_graph_without_a_route_and_a_route_without_a_graph_are_refused():
    with pytest.raises(TypeError, match="trip: a graph needs the route= that it answers"):
        failure_matrix(trips.trip, "/trips/Oslo")
    with pytest.raises(ValueError, match="GET /nowhere is not answered by a graph: status 404"):
        failure_matrix(App(), "/nowhere")


MATRIX = Matrix(
    (
        Row("", "none", 200, {"fastdag-complete": "true"}, {"a": 1}),
        Row("b", "5xx", 502, {"x": "1", "y": "2"}, "a|b\n" + "c" * 80),
    )
)


def test_the_table_for_version_control_is_whole():
    assert MATRIX.markdown().splitlines() == [
        "| node | fault | status | headers | body |",
        "| --- | --- | --- | --- | --- |",
        '| (all well) | none | 200 | fastdag-complete: true | `{"a":1}` |',
        f"| b | 5xx | 502 | x: 1; y: 2 | `a\\|b {'c' * 80}` |",
    ]


def test_the_table_for_the_terminal_is_aligned_and_cut():
    assert str(MATRIX).splitlines() == [
        "node        fault  status  headers                 body",
        '(all well)  none   200     fastdag-complete: true  {"a":1}',
        f"b           5xx    502     x: 1; y: 2              a|b {'c' * 55}…",
    ]


def test_the_rows_are_data():
    assert msgspec.json.encode(MATRIX.data()).startswith(b'[{"node":"","fault":"none","status":200,"headers":{')
    with pytest.raises(LookupError, match=r"no row is \('b', '6xx'\); there are \('', 'none'\), \('b', '5xx'\)"):
        MATRIX.row("b", "6xx")
