"""Deadlines come from outside of a node: whatever it does, the answer leaves on time."""

import time

import gevent
import pytest
import requests
from gevent.event import Event

from fastdag import Context, Graph, NodeError, Upstream
from fastdag.testing import FakeUpstream, hang
from tests.machine import PAUSE, least

SOON = 0.05  # but long enough to begin in, on a machine that is busy
LATE = 0.05  # what an answer may be late
AT_MOST = SOON + LATE + PAUSE


def timed(function, *args, **named):
    begun = time.monotonic()
    try:
        return function(*args, **named), time.monotonic() - begun
    except NodeError as error:
        return error, time.monotonic() - begun


def hangs(*_args):
    gevent.sleep(10)


@pytest.fixture
def stubborn():
    """A node, or a fallback, that swallows everything until its `over` is set. The fixture lets it end."""
    over = Event()

    def load(*_args):
        while not over.is_set():
            try:
                over.wait()
            except:  # noqa: E722
                pass
        return "late"

    load.over = over
    yield load
    over.set()
    gevent.sleep(0)


def test_the_runs_deadline_fails_an_unfinished_required_node():
    graph = Graph("page", timeout=SOON)
    graph.node(id="a")(hangs)
    error, elapsed = timed(graph.run)
    assert (error.node_id, error.reason) == ("a", "timeout")
    assert isinstance(error.__cause__, TimeoutError)
    assert SOON - 0.002 <= elapsed < AT_MOST


@pytest.mark.parametrize("optional", [False, True])
def test_an_answer_is_hardly_later_than_the_deadline(stubborn, optional):
    graph = Graph("page", timeout=SOON)
    graph.node(id="a", optional=optional)(stubborn)
    assert least(lambda: timed(graph.run)[1], times=5) < SOON + LATE


def test_the_default_deadline_is_two_seconds():
    assert Graph("page").timeout == 2.0


def test_run_overrides_the_graphs_timeout():
    graph = Graph("page", timeout=10)
    graph.node(id="a")(hangs)
    error, elapsed = timed(graph.run, timeout=SOON)
    assert error.reason == "timeout"
    assert elapsed < AT_MOST


def test_without_a_timeout_a_run_has_no_deadline():
    graph = Graph("page", timeout=0.001)
    graph.node(id="a")(lambda: gevent.sleep(0.03) or 1)
    assert graph.run(timeout=None).node_data == {"a": 1}


def test_no_time_at_all_starts_nothing():
    ran = []
    graph = Graph("page")
    graph.node(id="a")(lambda: ran.append("a"))
    graph.node(id="b", optional=True)(lambda: ran.append("b"))
    with pytest.raises(NodeError, match=r"^a failed \(timeout\)") as failed:
        graph.run(timeout=0)
    assert ran == []
    assert failed.value.result.outcomes["b"].state == "skipped"


def test_at_the_deadline_optional_nodes_have_failed_or_are_skipped():
    graph = Graph("page", timeout=SOON)
    graph.node(id="quick")(lambda: 1)
    graph.node(id="slow", optional=True)(hangs)
    graph.node(id="below")(lambda slow: slow)
    graph.node(id="default")(lambda slow="default": slow)
    graph.node(id="waiting", optional=True, after="slow")(lambda: 1)
    graph["default"].optional = True
    result, elapsed = timed(graph.run)
    assert elapsed < AT_MOST
    assert {id: (o.state, o.reason) for id, o in result.outcomes.items()} == {
        "quick": ("ok", None),
        "slow": ("failed", "timeout"),
        "below": ("skipped", "dependency"),
        "default": ("skipped", "dependency"),
        "waiting": ("skipped", "dependency"),
    }
    assert result.complete is False


def test_a_required_node_that_never_got_its_turn_fails_the_run():
    graph = Graph("page", timeout=SOON)
    graph.node(id="slow", optional=True)(hangs)
    graph.node(id="never", after="slow")(lambda: 1)
    error, _ = timed(graph.run)
    assert (error.node_id, error.reason) == ("never", "timeout")


@pytest.mark.parametrize("kind", ["value", "callable"])
def test_fallbacks_answer_at_the_deadline(kind):
    graph = Graph("page", timeout=SOON)
    spare = "spare" if kind == "value" else lambda context, error: "spare"
    graph.node(id="running", fallback=spare, output="running")(hangs)
    graph.node(id="waiting", fallback=spare, output="waiting")(lambda running: hangs())
    graph.node(id="never", fallback=spare, output="never", after="running")(lambda: 1)
    result, elapsed = timed(graph.run)
    assert elapsed < AT_MOST
    assert result.merged["running"] == "spare"
    assert result.merged["never"] == "spare"
    assert {id: (o.state, o.reason) for id, o in result.outcomes.items()} == {
        "running": ("fallback", "timeout"),
        "waiting": ("fallback", "timeout"),
        "never": ("fallback", "timeout"),
    }


def test_a_fallback_that_blocks_after_the_deadline_is_no_answer():
    graph = Graph("page", timeout=SOON)
    graph.node(id="a", fallback=lambda context, error: hangs(), optional=True)(hangs)
    result, elapsed = timed(graph.run)
    assert elapsed < AT_MOST
    assert result.outcomes["a"].state == "failed"


def test_a_fallback_that_blocks_across_the_deadline_is_no_answer():
    def fails():
        raise ValueError

    graph = Graph("page", timeout=SOON)
    graph.node(id="a", fallback=lambda context, error: hangs(), optional=True)(fails)
    result, elapsed = timed(graph.run)
    assert elapsed < AT_MOST
    assert result.outcomes["a"].state == "failed"


def test_a_fallback_node_has_no_time_after_the_deadline():
    graph = Graph("page", timeout=SOON)
    graph.node(id="spare")(lambda: "spare")
    graph.node(id="a", fallback=graph["spare"], optional=True)(hangs)
    result, _ = timed(graph.run)
    assert result.outcomes["a"].state == "failed"
    assert result.outcomes["spare"].state == "skipped"


def test_a_node_that_returns_late_is_ok():
    def computes():
        until = time.monotonic() + SOON * 2
        while time.monotonic() < until:
            pass
        return "late"

    graph = Graph("page", timeout=SOON)
    graph.node(id="a")(computes)
    assert graph.run().merged == {"a": "late"}


def test_a_deadline_that_passed_while_a_node_computed_stops_the_next():
    def computes():
        until = time.monotonic() + SOON * 2
        while time.monotonic() < until:
            pass
        return "late"

    graph = Graph("page", timeout=SOON)
    graph.node(id="a")(computes)
    graph.node(id="b", output="b", fallback="spare")(lambda a: a)
    result = graph.run()
    assert result.merged == {"b": "spare"}
    assert result.outcomes["a"].state == "ok"
    assert result.outcomes["b"].reason == "timeout"


def test_a_nodes_own_timeout_fails_it_alone():
    graph = Graph("page")
    graph.node(id="a", timeout=SOON, optional=True)(hangs)
    graph.node(id="b")(lambda a="default": a)
    result, elapsed = timed(graph.run)
    assert elapsed < AT_MOST
    assert result.merged == {"b": "default"}
    assert result.outcomes["a"].reason == "timeout"
    assert str(result.outcomes["a"].error) == f"a took longer than {SOON} s"


def test_a_required_nodes_own_timeout_fails_the_run():
    graph = Graph("page")
    graph.node(id="a", timeout=SOON)(hangs)
    error, elapsed = timed(graph.run)
    assert (error.node_id, error.reason) == ("a", "timeout")
    assert elapsed < AT_MOST


@pytest.mark.parametrize("by", ["run", "node"])
@pytest.mark.parametrize("end", ["required", "optional", "fallback"])
def test_a_node_with_a_bare_except_delays_no_answer(stubborn, by, end):
    graph = Graph("page", timeout=SOON if by == "run" else 2)
    options = {"required": {}, "optional": {"optional": True}, "fallback": {"fallback": "spare"}}[end]
    graph.node(id="a", timeout=SOON if by == "node" else None, **options)(stubborn)
    abandoned = []
    graph.on("node.abandoned", lambda name, fields: abandoned.append(fields))
    got, elapsed = timed(graph.run)
    assert elapsed < AT_MOST
    assert abandoned == [{"graph": "page", "node": "a"}]
    if end == "required":
        assert got.reason == "timeout"
    else:
        assert got.outcomes["a"].state == {"optional": "failed", "fallback": "fallback"}[end]


def test_an_abandoned_node_that_returns_at_last_changes_nothing(stubborn):
    graph, abandoned = Graph("page", timeout=5), Event()
    graph.on("node.abandoned", lambda name, fields: abandoned.set())

    def lets_it_return():
        abandoned.wait()
        stubborn.over.set()
        gevent.sleep(0)  # it returns, and the run is not over

    graph.node(id="a", timeout=SOON, optional=True)(stubborn)
    graph.node(id="b")(lets_it_return)
    result = graph.run()
    assert result.outcomes["a"].state == "failed"
    assert "a" not in result.node_data


def test_an_abandoned_nodes_greenlet_is_never_used_again(stubborn):
    graph = Graph("page", timeout=SOON)
    graph.node(id="a", optional=True)(stubborn)
    graph.run()
    other = Graph("other")
    other.node(id="b")(lambda: gevent.sleep(0.005) or 1)
    for _ in range(5):
        assert other.run().merged == {"b": 1}


def test_an_abandoned_node_can_spawn_nothing():
    raised, run_is_over = [], Event()
    graph = Graph("page")

    def load(context):
        try:
            gevent.sleep(10)
        except:  # noqa: E722
            pass
        for _ in range(2):
            try:
                context.spawn(gevent.sleep, 10)
            except RuntimeError as error:
                raised.append(str(error))
            run_is_over.wait()

    graph.node(id="a", timeout=SOON, optional=True)(load)
    graph.run(Context())
    run_is_over.set()
    gevent.sleep(0)
    assert raised == ["this run is over; nothing can be spawned in it any more"] * 2


@pytest.mark.parametrize(
    "error, reason",
    [
        (TimeoutError(), "timeout"),
        (gevent.Timeout(1), "timeout"),
        (requests.Timeout(), "timeout"),
        (requests.ConnectTimeout(), "timeout"),
        (ConnectionError(), "connect"),
        (ConnectionResetError(), "connect"),
        (requests.ConnectionError(), "connect"),
        (ValueError(), "exception"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__qualname__,
)
def test_what_leaves_a_node_has_a_reason(error, reason):
    def raises():
        raise error

    graph = Graph("page")
    graph.node(id="a", optional=True)(raises)
    outcome = graph.run().outcomes["a"]
    assert (outcome.reason, outcome.error) == (reason, error)


def test_a_nodes_own_timeout_after_the_runs_changes_nothing(stubborn):
    graph = Graph("page", timeout=SOON)
    graph.node(id="a", timeout=SOON * 2, optional=True)(stubborn)
    result = graph.run()
    error = result.outcomes["a"].error
    gevent.sleep(SOON * 2)  # the node's own time is over
    stubborn.over.set()
    gevent.sleep(0)
    assert result.outcomes["a"].error is error
    assert str(error) == "the run's deadline came first"


def test_a_fallback_that_swallows_its_cancellation_changes_nothing(stubborn):
    def fails():
        raise ValueError

    graph = Graph("page", timeout=SOON)
    graph.node(id="a", fallback=stubborn, optional=True)(fails)
    result, elapsed = timed(graph.run)
    assert elapsed < AT_MOST
    stubborn.over.set()
    gevent.sleep(0)
    assert result.outcomes["a"].state == "failed"
    assert "a" not in result.node_data


@pytest.mark.parametrize("flying", [True, False], ids=["idle connection", "new connection"])
@pytest.mark.parametrize("optional", [True, False])
def test_a_fallback_answers_for_a_call_whose_time_is_the_runs(flying, optional):
    """The call sees the deadline itself, in the moment before the run does."""
    with FakeUpstream() as fake:
        fake.on("GET /ok", {"id": 1})
        fake.on("GET /hangs", hang())
        upstream = Upstream("parts", fake.url)
        if flying:
            assert upstream.get("/ok").ok
        graph = Graph("page", timeout=0.05)
        graph.fetch("part", upstream, "/hangs", optional=optional, fallback=lambda context, error: {"spare": 1})
        result = graph.run({})
        outcome = result.outcomes["part"]
        assert (outcome.state, outcome.reason, result.merged) == ("fallback", "timeout", {"spare": 1})
        upstream.close()


def test_a_fallback_answers_for_a_node_that_fails_after_the_deadline():
    def late(context):
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            pass
        raise KeyError("late")

    graph = Graph("page", timeout=0.02)
    graph.node(id="a", fallback=lambda context, error: "spare", output="a")(late)
    assert graph.run({}).merged == {"a": "spare"}
