"""More than can be served: refused at once and in words, health checks aside (FAULTS.md L01, L04, R01)."""

import gevent
import pytest

from tests.machine import least, seconds_of
from tests.server.serving import serving

SLOW = "GET /slow?s=2 HTTP/1.1\r\nHost: a\r\n\r\n"


def test_beyond_the_limit_a_request_is_answered_503_at_once_and_health_checks_are_served(hasty):
    clients = [hasty.client().send(SLOW) for _ in range(4)]
    hasty.until(lambda: hasty.get("/").status == 503)
    assert least(lambda: seconds_of(lambda: hasty.get("/")), times=5) < 0.2
    with hasty.client() as client:
        refused = client.get("/")
        assert (refused.status, refused["retry-after"], refused["connection"]) == (503, "1", "keep-alive")
        assert refused.json()["title"] == "Service Unavailable"
        assert (client.get("/livez").status, client.get("/readyz").status) == (200, 200)
        assert client.get("/", method="HEAD").status == 503
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        unread = client.answer()
        assert (unread.status, unread["connection"]) == (503, "close")
    for client in clients:
        assert client.answer().body == b"slept"
        client.sock.close()
    assert hasty.get("/").status == 200


def test_more_connections_than_allowed_are_told_so_and_health_checks_are_served(hasty):
    idle = [hasty.client() for _ in range(12)]
    with hasty.client() as client:
        answer = client.get("/")
        assert (answer.status, answer["connection"]) == (503, "close")
        assert client.rest() == b""
    assert hasty.get("/livez").status == 200
    for client in idle:
        client.sock.close()
    hasty.until(lambda: hasty.get("/").status == 200)


def test_under_five_times_the_load_nine_tenths_of_the_capacity_are_served(tmp_path):
    admission, service, seconds, rate = 8, 0.1, 2.0, 400  # capacity 80 per second

    def ask(server):
        with server.client() as client:
            answered.append(client.get(f"/slow?s={service}", "Connection: close").status)

    answered = []
    with serving(tmp_path, options=f"admission={admission}") as server:
        asking = []
        for _ in range(int(seconds * rate)):
            asking.append(gevent.spawn(ask, server))
            gevent.sleep(1 / rate)  # what a pause of the machine leaves out is not made up for: that would be a burst
        gevent.joinall(asking, raise_error=True)
        assert server.get("/livez").status == 200
    assert set(answered) == {200, 503}
    assert answered.count(200) >= 0.9 * admission / service * seconds


def test_out_of_descriptors_the_worker_rests_and_recovers(tmp_path):
    with serving(tmp_path, limit="ulimit -n 64") as server:
        (pid,) = server.until(server.workers)
        clients = [server.client() for _ in range(100)]
        answers = []
        for client in clients[:40]:
            client.sock.settimeout(1)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                answers.append(client.answer().status)
            except (TimeoutError, EOFError, ConnectionError):
                answers.append(None)
        assert {200, 503} <= set(answers)
        used = cpu(pid)
        gevent.sleep(0.5)
        assert cpu(pid) - used < 0.25  # no spinning on a backlog that cannot be accepted
        for client in clients:
            client.sock.close()
        server.until(lambda: server.get("/").status == 200)
        assert server.workers() == [pid]


def cpu(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize(("running", "fill"), [(0, 0.25), (3, 1.0)])
def test_the_pressure_is_what_is_in_flight(hasty, running, fill):
    clients = [hasty.client().send(SLOW) for _ in range(running)]
    hasty.until(lambda: hasty.stats()["fill"] == fill)
    for client in clients:
        client.answer()
        client.sock.close()
