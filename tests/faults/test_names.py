"""Names and addresses: bounded, cached, followed, and none in another's way."""

import socket
import time

import gevent
import pytest

from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.upstream.call import Host
from tests.faults.conftest import eventually
from tests.machine import PAUSE, least, seconds_of


@pytest.fixture
def sink():
    """A name server that never answers; `received` are its queries."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    received = []
    greenlet = gevent.spawn(lambda: [received.append(listener.recv(512)) for _ in iter(int, 1)])
    yield listener.getsockname()[1], received
    greenlet.kill()
    listener.close()


def place(client, name):
    return Host.parse(f"http://{name}:{client.upstream.ports['http']}")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_names_of_this_machine(client, name):
    client.healthy(place(client, name))


def test_numeric_hosts_are_never_looked_up(make_client):
    asked = []
    client = make_client(resolve=asked.append)
    client.healthy(place(client, "127.0.0.1"))
    with pytest.raises(UpstreamConnectError):
        client.call("/", host=Host.parse("http://[::1]:1"))
    assert asked == []


def test_one_look_up_for_many_calls(make_client):
    asked = []

    def resolve(name):
        asked.append(name)
        gevent.sleep(0.05)
        return ["127.0.0.1"]

    client = make_client(resolve=resolve)
    greenlets = [gevent.spawn(client.call, "/echo/x", host=place(client, "a.test")) for _ in range(20)]
    assert all(greenlet.get(timeout=2).content == b"x" for greenlet in greenlets)
    assert asked == ["a.test"]


def test_u47_look_up_that_hangs_is_in_nobodys_way(make_client, sink):
    port, received = sink
    client = make_client(nameservers=["127.0.0.1"], nameserver_port=port, connect_timeout=1.0)

    def hang(number):
        with pytest.raises(UpstreamTimeout, match="looking up") as caught:
            client.call("/", host=place(client, f"hangs{number % 15}.test"))
        return caught.value.sent

    started = time.monotonic()
    hanging = [gevent.spawn(hang, number) for number in range(30)]
    assert eventually(lambda: len(received) >= 15)

    def ask_others():
        client.healthy()
        client.healthy(place(client, "localhost"))

    assert least(lambda: seconds_of(ask_others)) < 0.1
    assert not any(greenlet.ready() for greenlet in hanging)
    assert not any(greenlet.get(timeout=5) for greenlet in hanging)
    assert time.monotonic() - started < 1.0 + PAUSE


def test_u46_changes_are_followed(make_client):
    addresses = ["127.0.0.1"]
    client = make_client(resolve=lambda name: addresses, dns_ttl=0.05, max_age=0.05)
    host = place(client, "moves.test")
    client.healthy(host)
    addresses[:] = ["127.0.0.9"]
    gevent.sleep(0.06)
    with pytest.raises(UpstreamConnectError, match=r"127\.0\.0\.9"):
        client.healthy(host)
    addresses[:] = ["127.0.0.1"]
    gevent.sleep(0.06)
    client.healthy(host)


def test_name_server_that_fails_leaves_the_old_addresses(make_client):
    answers = iter([["127.0.0.1"]])
    client = make_client(resolve=lambda name: next(answers), dns_ttl=0, reuse=False)
    for _ in range(3):
        client.healthy(place(client, "a.test"))


def test_name_server_that_hangs_leaves_time_for_the_old_addresses(make_client):
    def resolve(name):
        if client.transport._pools[0].hosts and asked:
            gevent.sleep(10)
        asked.append(name)
        return ["127.0.0.1"]

    asked = []
    client = make_client(resolve=resolve, dns_ttl=0, reuse=False, connect_timeout=0.5)
    for _ in range(2):
        client.healthy(place(client, "a.test"))
    client.transport.close()


def test_unknown_name(make_client):
    client = make_client(resolve=lambda name: [])
    with pytest.raises(UpstreamConnectError, match=r"a\.test has no address") as caught:
        client.call("/", host=place(client, "a.test"))
    assert not caught.value.sent


def test_look_up_that_fails_is_tried_again_by_the_next_call(make_client):
    answers = iter([[], ["127.0.0.1"]])
    client = make_client(resolve=lambda name: next(answers))
    with pytest.raises(UpstreamConnectError):
        client.call("/", host=place(client, "a.test"))
    client.healthy(place(client, "a.test"))


def test_second_address_is_used_when_the_first_is_dead(make_client):
    client = make_client(resolve=lambda name: ["127.0.0.9", "127.0.0.1"], reuse=False)
    client.healthy(place(client, "a.test"))


@pytest.fixture
def black_hole():
    """A listener whose backlog is full: connecting to it neither works nor fails."""
    listener = socket.socket()
    listener.bind(("127.0.0.7", 0))
    listener.listen(0)
    clients = []
    for _ in range(3):
        clients.append(socket.socket())
        clients[-1].setblocking(False)
        clients[-1].connect_ex(listener.getsockname())
    yield listener.getsockname()[1]
    for found in (*clients, listener):
        found.close()


def test_connecting_is_bounded_in_total(make_client, black_hole):
    client = make_client(resolve=lambda name: ["127.0.0.7"] * 10, connect_timeout=0.2)
    started = time.monotonic()
    with pytest.raises(UpstreamTimeout, match="connecting") as caught:
        client.call("/", host=Host.parse(f"http://many.test:{black_hole}"))
    assert not caught.value.sent
    assert time.monotonic() - started < 0.2 + PAUSE  # ten times 0.2 s are two


def test_u48_addresses_that_are_refused(make_client):
    client = make_client(resolve=lambda name: ["127.0.0.9", "127.0.0.1", "::ffff:127.0.0.1"], refuse=["127.0.0.0/29"])
    with pytest.raises(UpstreamConnectError):
        client.call("/", host=place(client, "rebinds.test"))
    with pytest.raises(UpstreamConnectError, match="only addresses that are refused") as caught:
        client.call("/", host=place(client, "127.0.0.1"))
    assert caught.value.hopeless
    assert client.upstream.order()["connections"] == 0
