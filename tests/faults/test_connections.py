"""When a connection is used again, when a call is sent twice, and that nobody gets what is somebody else's."""

import contextlib
import io
import time

import gevent
import pytest

from fastdag.concurrency import GreenletExit
from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.events import Instruments
from fastdag.upstream.call import Call, Host
from fastdag.upstream.transport.connection import Connection
from fastdag.upstream.transport.parser import Inbound
from tests.faults.conftest import eventually
from tests.faults.rows import OK, STALL


def requests(client, path):
    return client.upstream.order()["requests"].get(path, 0)


def test_answers_of_many_calls_at_once_go_to_their_callers(client):
    def ask(number):
        return client.call(f"/echo/{number}").content == str(number).encode()

    greenlets = [gevent.spawn(ask, number) for number in range(200)]
    assert all(greenlet.get(timeout=5) for greenlet in greenlets)
    assert client.idle() == client.upstream.order()["connections"] <= 200


def test_last_used_connection_is_taken_first(client):
    paths = [client.upstream.script(("sleep", 0.02), ("send", OK)) for _ in range(3)]
    gevent.joinall([gevent.spawn(client.call, path) for path in paths])
    for _ in range(5):
        client.healthy()
    assert client.upstream.order()["connections"] == 3


def test_x07_late_answer_is_nobodys(client):
    late = client.upstream.script(("sleep", 0.8), ("send", OK.replace("ok", "A!")))
    with pytest.raises(UpstreamTimeout) as caught:
        client.call(late, seconds=0.1)
    assert (caught.value.sent, caught.value.received) == (True, False)
    client.healthy()
    gevent.sleep(0.75)
    client.healthy()
    assert client.transport.dropped == {"timeout": 1}


def test_u13_unsolicited_bytes_are_counted_and_told(make_client):
    told = []
    instruments = Instruments()
    instruments.on("connection.dropped", lambda name, fields: told.append(fields))
    client = make_client(instruments=instruments)
    client.call(client.upstream.script(("send", OK + OK)))
    assert client.transport.dropped["unsolicited_bytes"] == 1
    assert told == [{"host": client.upstream.host().url, "cause": "unsolicited_bytes"}]


def test_bytes_on_an_idle_connection_close_it(client):
    client.call(client.upstream.script(("send", OK), ("sleep", 0.05), ("send", OK)))
    assert client.idle() == 1
    assert eventually(lambda: client.idle() == 0)
    assert client.transport.dropped == {"unsolicited_bytes": 1}


def test_bytes_that_the_loop_has_not_seen_yet_close_it_too(client):
    client.call(client.upstream.script(("send", OK), ("sleep", 0.01), ("send", OK.replace("ok", "no"))))
    client.upstream.until_something_arrived()
    client.healthy()
    assert client.transport.dropped == {"unsolicited_bytes": 1}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_u42_upstream_closes_idle_connections(client, method):
    path = client.upstream.script(("send", OK), ("linger", 0.01))
    failures = 0
    for number in range(200):
        try:
            assert client.call(f"{path}?{number}", method=method, idempotent=method == "GET").content == b"ok"
        except UpstreamConnectError:
            failures += 1
        gevent.sleep(0.0085 + number % 10 * 0.0003)  # around the moment at which it closes
    assert failures <= (0 if method == "GET" else 3)  # crossed with the close; one more per pause of the machine
    if method == "POST":
        assert requests(client, path) <= 200


def test_stale_connection_costs_an_idempotent_call_nothing(client):
    stale = client.upstream.script(("send", OK), ("sleep", 0))
    client.call(stale)
    once = client.upstream.script(("fin",))
    with pytest.raises(UpstreamConnectError) as caught:
        client.call(once)
    assert caught.value.sent
    assert requests(client, once) == 2  # on the old connection, and once on a fresh one


def test_u04_post_that_may_have_been_seen_is_not_sent_again(client):
    client.healthy()
    once = client.upstream.script(("body",), ("fin",))
    with pytest.raises(UpstreamConnectError) as caught:
        client.call(once, method="POST", body=b"order 1", idempotent=False)
    assert (caught.value.sent, caught.value.received) == (True, False)
    assert requests(client, once) == 1


def test_post_of_which_not_a_byte_left_is_sent_again(client, monkeypatch):
    client.call(client.upstream.script(("send", OK), ("rst",)))
    client.upstream.until_something_arrived()
    monkeypatch.setattr(Connection, "is_silent", lambda self: True)
    assert client.call("/echo/x", method="POST", body=b"order", idempotent=False).content == b"x"
    assert requests(client, "/echo/x") == 1


def test_u04_fresh_connection_is_not_tried_twice(client):
    once = client.upstream.script(("fin",))
    with pytest.raises(UpstreamConnectError):
        client.call(once)
    assert requests(client, once) == 1


def test_u01_refused(client):
    with pytest.raises(UpstreamConnectError, match="refused") as caught:
        client.call("/", host=Host.parse("http://127.0.0.1:1"))
    assert not caught.value.sent


def test_idle_limit(make_client):
    client = make_client(idle=0.5)
    client.healthy()
    assert client.idle() == 1
    assert eventually(lambda: client.idle() == 0)
    assert client.transport.dropped == {"idle": 1}


def test_u43_keep_alive_timeout_is_obeyed(client):
    path = client.upstream.script(("send", OK.replace("\r\n\r\n", "\r\nKeep-Alive: timeout=1, max=100\r\n\r\n")))
    client.call(path)
    assert client.idle() == 1
    assert eventually(lambda: client.idle() == 0)  # after half of that second
    assert client.transport.dropped == {"idle": 1}


def test_u43_closes_after_some_requests(client):
    path = client.upstream.script(("send", OK))
    last = client.upstream.script(("send", OK), ("fin",))
    for number in range(500):
        assert client.call(last if number % 100 == 99 else path).content == b"ok"


def test_maximum_age(make_client):
    client = make_client(max_age=0.1)
    until = time.monotonic() + 5
    while client.upstream.order()["connections"] < 3:
        client.healthy()
        assert time.monotonic() < until
    assert set(client.transport.dropped) == {"max_age"}


def test_without_reuse_every_call_has_its_own_connection(make_client):
    client = make_client(reuse=False)
    for _ in range(3):
        client.healthy()
    assert client.upstream.order()["connections"] == 3


def test_unix_socket(client):
    client.healthy("unix")
    client.healthy("unix")
    assert client.upstream.order()["connections"] == 1
    assert client.upstream.order()["heads"][-1].split("\r\n")[1] == "Host: localhost"


@pytest.mark.parametrize(
    "error", [GreenletExit(), KeyError("mine"), gevent.Timeout(99)], ids=lambda e: type(e).__name__
)
def test_kill_while_it_waits_closes_the_connection(client, error):
    path = client.upstream.script(STALL)
    greenlet = gevent.spawn(client.call, path, seconds=5)
    assert eventually(lambda: requests(client, path) == 1)
    assert "[1 active, 0 idle]" in repr(client.transport)
    with quiet():
        greenlet.kill(error, timeout=5)
    assert "[0 active, 0 idle]" in repr(client.transport)
    assert client.transport.dropped == {"cancelled": 1}
    if isinstance(error, gevent.Timeout):
        error.close()


def test_kill_while_it_connects(client):
    greenlet = gevent.spawn(client.call, "/", host=Host.parse(f"https://127.0.0.1:{client.upstream.ports['mute']}"))
    assert eventually(lambda: "[1 active" in repr(client.transport))
    gevent.sleep(0.02)
    greenlet.kill(timeout=5)
    assert "[0 active, 0 idle]" in repr(client.transport)


def test_answer_that_is_there_counts_more_than_a_late_timer(client):
    path = client.upstream.script(("sleep", 0.02), ("send", OK))
    late = time.monotonic() + 0.9
    greenlet = gevent.spawn(client.call, path, seconds=0.8)
    assert eventually(lambda: requests(client, path) == 1)
    client.upstream.until_something_arrived()
    while time.monotonic() < late:  # the loop is blocked until the timer is late, with the answer in the socket
        pass
    assert greenlet.get(timeout=5).content == b"ok"


def test_timer_is_not_early_after_a_blocked_loop(client):
    path = client.upstream.script(("sleep", 0.4), ("send", OK))
    client.healthy()
    until = time.monotonic() + 0.8
    while time.monotonic() < until:
        pass
    assert client.call(path, seconds=1.0).content == b"ok"


def test_no_time_left_is_no_call(client):
    with pytest.raises(UpstreamTimeout) as caught:
        client.call("/echo/x", seconds=-1)
    assert not caught.value.sent
    assert client.upstream.order()["connections"] == 0


def test_call_without_a_deadline(client):
    call = Call("GET", "/echo/x", [], host=client.upstream.host())
    assert client.transport.send(call).content == b"x"


def test_call_after_close_opens_a_new_connection(client):
    client.healthy()
    client.transport.close()
    assert repr(client.transport) == "<NativeTransport [0 active, 0 idle]>"
    client.healthy()
    assert client.transport.dropped == {"transport_closed": 1}


def test_close_with_a_call_in_flight(client):
    path = client.upstream.script(("sleep", 0.05), ("send", OK))
    greenlet = gevent.spawn(client.call, path)
    assert eventually(lambda: requests(client, path) == 1)
    client.transport.close()
    assert greenlet.get(timeout=5).content == b"ok"
    assert eventually(lambda: client.upstream.order()["open"] == 0)


def test_callback_that_fails_fails_the_call_and_not_the_loop(client, monkeypatch):
    client.healthy()
    monkeypatch.setattr(Inbound, "feed", lambda self, data: 1 / 0)
    with pytest.raises(UpstreamConnectError, match="division"):
        client.call("/echo/x", idempotent=False)
    monkeypatch.undo()


def quiet():
    """Greenlets that end with an error print it; here that is what they are meant to do."""
    return contextlib.redirect_stderr(io.StringIO())
