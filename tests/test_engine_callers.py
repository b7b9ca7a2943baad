"""Who asks for a run, and what is thrown: kills, timeouts, signals, runs inside runs, and what a run spawns."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from fastdag import Context, Graph, Node, NodeError
from fastdag.context import current_scope
from tests.machine import PAUSE


def hanging(cancelled, begun=None):
    """A graph of two nodes that hang and write down that they were cancelled; `begun` is set when both hang."""
    graph = Graph("page", timeout=10)
    for name in ("a", "b"):

        class Hangs(Node):
            def load(self, context):
                if self.id == "b" and begun:
                    begun.set()
                try:
                    gevent.sleep(10)
                finally:
                    cancelled.append(self.id)

        graph.add_root(Hangs(name))
    return graph


def test_killing_the_greenlet_that_runs_cancels_the_run():
    cancelled, begun = [], Event()
    caller = gevent.spawn(hanging(cancelled, begun).run)
    begun.wait()
    caller.kill()
    assert cancelled == ["a", "b"]
    assert isinstance(caller.value, gevent.GreenletExit)


def test_a_timeout_around_run_has_cancelled_it_before_it_propagates():
    cancelled = []
    graph = hanging(cancelled)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        try:
            graph.run()
        finally:
            assert cancelled == ["a", "b"]


def test_a_second_exception_while_the_first_cancels_does_no_harm():
    begun = Event()
    caller = gevent.spawn(hanging([], begun).run)
    begun.wait()
    caller.kill(ValueError("first"), block=False)
    caller.kill(KeyError("second"), block=False)
    caller.join(timeout=5)
    assert caller.dead
    assert isinstance(caller.exception, (ValueError, KeyError))


def test_a_kill_before_the_first_node_started_starts_none():
    ran = []
    graph = Graph("page")
    graph.node(id="a")(lambda: ran.append("a"))
    caller = gevent.spawn(graph.run)
    # Right after it asked for its first worker.
    gevent.get_hub().loop.run_callback(caller.throw, gevent.GreenletExit)
    caller.join()
    gevent.sleep(0.01)
    assert ran == []


@pytest.mark.parametrize(
    "error",
    [gevent.GreenletExit, StopIteration, RecursionError, MemoryError, SystemExit, GeneratorExit, BaseException],
)
@pytest.mark.parametrize("end", ["required", "optional", "fallback"])
def test_whatever_node_code_raises_is_that_nodes_failure(error, end):
    def raises():
        raise error

    graph = Graph("page")
    graph.node(id="a", **{"required": {}, "optional": {"optional": True}, "fallback": {"fallback": 1}}[end])(raises)
    if end == "required":
        with pytest.raises(NodeError) as failed:
            graph.run()
        assert failed.value.reason == "exception"
        assert isinstance(failed.value.__cause__, error)
    else:
        outcome = graph.run().outcomes["a"]
        assert outcome.state == ("failed" if end == "optional" else "fallback")
        assert isinstance(outcome.error, error)


def test_real_recursion_without_end_is_a_failure():
    def deeper():
        return deeper()

    graph = Graph("page")
    graph.node(id="a", optional=True)(deeper)
    assert isinstance(graph.run().outcomes["a"].error, RecursionError)
    assert graph.run().outcomes["a"].reason == "exception"


def test_an_error_that_cannot_tell_what_it_is_is_told_by_its_type():
    class Mute(Exception):
        def __str__(self):
            raise ValueError("never")

    def raises():
        raise Mute

    graph = Graph("page")
    graph.node(id="a")(raises)
    with pytest.raises(NodeError, match=r"^a failed \(exception\): .*Mute$"):
        graph.run()


def test_a_keyboard_interrupt_stops_the_caller():
    cancelled = []
    graph = hanging(cancelled)

    @graph.node(optional=True, fallback=1)
    def c():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        graph.run()
    assert cancelled == ["a", "b"]


@pytest.fixture
def usr1():
    def handler(*_args):
        raise SystemExit(3)

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_system_exit_from_a_signal_handler_stops_the_caller(usr1):
    def computes():
        os.kill(os.getpid(), signal.SIGUSR1)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            pass

    graph = Graph("page")
    graph.node(id="a", optional=True)(computes)
    with pytest.raises(SystemExit) as stopped:
        graph.run()
    assert stopped.value.code == 3


def test_ctrl_c_ends_a_program_that_runs_a_graph():
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import signal, time\nfrom fastdag import Graph\n"
        # A shell that begins the tests in the background has this signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "graph = Graph('page', timeout=None)\n"
        # In steps: a signal that comes just before gevent's loop begins to wait is only seen when it turns again.
        "graph.node(id='a')(lambda: print('ready', flush=True) or [time.sleep(0.1) for _ in range(300)])\n"
        "graph.run()\n"
    )
    root = Path(__file__).parent.parent
    child = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with child:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGINT)
        _, trace = child.communicate(timeout=10)
    assert trace.rstrip().endswith(b"KeyboardInterrupt")
    assert child.returncode != 0


# -- a run inside a run


def nested(outer_timeout, inner_timeout, load):
    inner = Graph("inner", timeout=inner_timeout)
    inner.node(id="deep", output="deep")(load)
    outer = Graph("outer", timeout=outer_timeout)
    outer.node(id="runs", output="runs")(lambda context: inner.run(context).merged)
    return outer


def test_a_run_inside_a_run_gives_its_answer():
    assert nested(1, 1, lambda context: context + 1).run(1).merged == {"runs": {"deep": 2}}


def test_a_run_inside_a_run_is_bounded_by_the_outer_deadline():
    cancelled = []

    def load():
        try:
            gevent.sleep(10)
        finally:
            cancelled.append("deep")

    begun = time.monotonic()
    with pytest.raises(NodeError) as failed:
        nested(0.05, None, load).run()
    assert time.monotonic() - begun < 0.05 + PAUSE
    assert (failed.value.node_id, failed.value.reason) == ("runs", "timeout")
    gevent.sleep(0)
    assert cancelled == ["deep"]


def test_a_run_inside_a_node_is_bounded_by_the_nodes_timeout():
    inner = Graph("inner", timeout=None)
    inner.node(id="deep")(lambda: current_scope().deadline - time.monotonic())
    outer = Graph("outer", timeout=None)
    outer.node(id="runs", timeout=5, output="runs")(lambda: inner.run().merged)
    assert 4 < outer.run().merged["runs"]["deep"] <= 5


def test_an_inner_failure_keeps_its_reason():
    inner = Graph("inner", timeout=0.01)
    inner.node(id="deep")(lambda: gevent.sleep(10))
    outer = Graph("outer")
    outer.node(id="runs")(lambda: inner.run())
    with pytest.raises(NodeError) as failed:
        outer.run()
    assert (failed.value.node_id, failed.value.reason) == ("runs", "timeout")
    assert failed.value.__cause__.node_id == "deep"


def test_a_cancelled_run_inside_a_run_is_not_abandoned():
    abandoned = []
    outer = nested(0.02, None, lambda: gevent.sleep(10))
    outer.on("node.abandoned", lambda name, fields: abandoned.append(fields))
    with pytest.raises(NodeError):
        outer.run()
    gevent.sleep(0.01)
    assert abandoned == []


# -- context.spawn


def test_what_a_node_spawns_inherits_contextvars_and_the_deadline():
    user = ContextVar("user")
    graph = Graph("page", timeout=5)

    @graph.node(output="seen")
    def a(context):
        user.set("ann")
        return context.spawn(lambda extra: [user.get(), current_scope().deadline is not None, extra], 7).get()

    assert graph.run(Context()).merged == {"seen": ["ann", True, 7]}


@pytest.mark.parametrize("end", ["ok", "failure", "deadline"])
def test_what_a_node_spawns_dies_with_the_run(end):
    spawned = []
    graph = Graph("page", timeout=0.02 if end == "deadline" else 5)

    @graph.node
    def a(context):
        spawned.append(context.spawn(gevent.sleep, 10))
        spawned.append(context.spawn(lambda: context.spawn(gevent.sleep, 10) and gevent.sleep(10)))
        gevent.sleep(0.001)
        if end == "failure":
            raise ValueError
        if end == "deadline":
            gevent.sleep(10)

    if end == "ok":
        graph.run(Context())
    else:
        with pytest.raises(NodeError):
            graph.run(Context())
    assert all(greenlet.dead for greenlet in spawned)


def test_spawning_needs_a_run():
    with pytest.raises(RuntimeError, match=r"works inside a run only; outside of one, use gevent.spawn"):
        Context().spawn(print)


def test_spawning_after_the_run_is_refused():
    scopes = []
    graph = Graph("page")
    graph.node(id="a")(lambda: scopes.append(current_scope()))
    graph.run()
    with pytest.raises(RuntimeError, match="this run is over"):
        scopes[0].spawn(print)


def test_errors_of_a_run_can_be_pickled():
    graph = Graph("page")
    graph.node(id="lock")(threading.Lock)
    graph.node(id="a", after="lock")(lambda: 1 / 0)
    with pytest.raises(NodeError) as failed:
        graph.run()
    assert "lock" in failed.value.result.node_data
    again = pickle.loads(pickle.dumps(failed.value))
    assert (again.node_id, again.reason, str(again)) == ("a", "exception", "a failed (exception): division by zero")
    assert again.result is None


def test_an_outer_failure_ends_the_inner_run():
    cancelled, begun = [], Event()
    inner = Graph("inner", timeout=None)

    @inner.node
    def deep():
        begun.set()
        try:
            gevent.sleep(10)
        finally:
            cancelled.append("deep")

    outer = Graph("outer")
    outer.node(id="runs")(lambda: inner.run())
    outer.node(id="breaks")(lambda: begun.wait() and 1 / 0)
    with pytest.raises(NodeError, match=r"^breaks failed"):
        outer.run()
    gevent.sleep(0)
    assert cancelled == ["deep"]
