"""Forks, native threads, many descriptors and many calls at once."""

import os
import resource
import subprocess
import sys
import textwrap

import gevent
import pytest
from gevent.monkey import get_original

from fastdag.deadline import after
from fastdag.errors import UpstreamConnectError
from fastdag.upstream.call import Call
from tests.faults.conftest import ROOT, eventually
from tests.faults.rows import OK
from tests.machine import PAUSE

PRELUDE = """
    from gevent import monkey; monkey.patch_all()
    import os, sys, gevent, resource
    from fastdag.deadline import after
    from fastdag.upstream.call import Call, Host
    from fastdag.upstream.transport.native import NativeTransport
    transport = NativeTransport()
    host = Host.parse(sys.argv[1])
    def ask(path, seconds=5):
        return transport.send(Call("GET", path, [], host=host, deadline=after(seconds))).content.decode()
"""


def run(upstream, program, *arguments):
    """What a program in a process of its own prints."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PRELUDE + program), upstream.host().url, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": ""},  # a line is written at once, whoever else prints
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.split()


def test_forked_child_has_connections_of_its_own(upstream):
    """The parent has one call in flight and one idle connection when it forks; the child may touch neither."""
    late = upstream.script(("sleep", 1.5), ("send", OK))
    upstream.order(forget=True)
    program = """
    ask("/echo/before")
    waiting = gevent.spawn(ask, sys.argv[2])
    gevent.sleep(0.1)
    child = os.fork()
    print(ask("/echo/child" if child == 0 else "/echo/parent"), flush=True)
    if child == 0:
        its_own = repr(transport).replace(" ", "_")
        # The copy of the waiting call ends by itself, and without the parent's answer: as soon as it sees that there
        # is one, or at its deadline, if the parent was quicker to read it.
        waiting.join()
        print("copy", waiting.successful(), its_own, flush=True)
        os._exit(0)
    print("original", waiting.get(), flush=True)
    os.waitpid(child, 0)
    """
    words = run(upstream, program, late)
    assert sorted(words) == sorted(
        ["child", "parent", "copy", "False", "<NativeTransport_[0_active,_1_idle]>", "original", "ok"]
    )
    assert upstream.order()["connections"] == 3


def test_native_threads_have_pools_of_their_own(client):
    client.healthy()
    found = []

    def work():
        found.append(client.transport.send(Call("GET", "/echo/t", [], host=client.upstream.host(), deadline=after(2))))
        client.transport.close()
        gevent.get_hub().destroy(destroy_loop=True)

    get_original("_thread", "start_new_thread")(work, ())
    assert eventually(lambda: len(found) == 1)
    assert found[0].content == b"t"
    client.healthy()
    assert client.upstream.order()["connections"] == 2


def test_pool_of_a_thread_that_is_gone_is_cleared(client):
    def work():
        client.transport.send(Call("GET", "/echo/t", [], host=client.upstream.host(), deadline=after(2)))
        gevent.get_hub().destroy(destroy_loop=True)

    get_original("_thread", "start_new_thread")(work, ())
    assert eventually(lambda: client.upstream.order()["open"] == 1)
    assert eventually(lambda: all(pool.hub.dead for pool in client.transport._pools))
    client.healthy()
    assert eventually(lambda: client.upstream.order()["open"] == 1)


def test_descriptors_above_1024(client):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    filler = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        client.healthy()
        client.healthy()
        client.transport.close()
    finally:
        for fd in filler:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_is_left(client):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    filler = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                filler.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(UpstreamConnectError, match="Too many open files") as caught:
            client.healthy()
        assert not caught.value.sent
    finally:
        for fd in filler:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_calls_in_flight_are_small(upstream):
    """Some 1,000 calls that wait: what one costs, with its greenlet, is below the bar for 10,000 of them."""
    slow = upstream.script(("sleep", 1.5), ("send", OK))
    program = """
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    def rss():
        return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    for _ in range(3):
        gevent.joinall([gevent.spawn(ask, "/echo/x") for _ in range(100)])
    before = rss()
    waiting = [gevent.spawn(ask, sys.argv[2]) for _ in range(1000)]
    gevent.sleep(1.2)
    print((rss() - before) // 900, set(greenlet.get() for greenlet in waiting))
    """
    size, answers = run(upstream, program, slow)
    assert answers == "{'ok'}"
    assert int(size) <= 15 * 1024


def test_waiting_call_keeps_the_loop_alive_and_an_idle_connection_does_not(upstream):
    slow = upstream.script(("sleep", 0.1), ("send", OK))
    program = """
    import time
    print(ask(sys.argv[2]))
    answered = time.monotonic()
    gevent.wait()
    print(time.monotonic() - answered)
    """
    answer, seconds = run(upstream, program, slow)
    assert answer == "ok"
    assert float(seconds) < PAUSE  # the connection would be kept for four
