"""`requests` as a transport, against real sockets: what it gets wrong must not reach the caller."""

import gzip
import time

import gevent
import pytest
import requests

from fastdag.concurrency import Timeout
from fastdag.deadline import after
from fastdag.errors import (
    UpstreamConnectError,
    UpstreamDecodeError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from fastdag.upstream.call import Call, Host
from fastdag.upstream.client import Upstream
from fastdag.upstream.transport.requests import RequestsTransport
from tests.machine import least, seconds_of
from tests.upstream.scripted import Scripted

READ, FIN, RST, STALL = Scripted.READ, Scripted.FIN, Scripted.RST, Scripted.STALL
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture
def scripted():
    made = []

    def make(*scripts):
        made.append(Scripted(*scripts))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def transport():
    made = RequestsTransport()
    yield made
    made.close()


def call(server, target="/x", method="GET", body=None, headers=(), seconds=2.0, **more):
    return Call(method, target, list(headers), body, host=Host.parse(server.url), deadline=after(seconds), **more)


def test_answers_and_uses_its_connection_again(scripted, transport):
    server = scripted([READ, OK, READ, OK])
    for _ in range(2):
        answer = transport.send(call(server))
        assert (answer.status_code, answer.content, answer.url) == (200, b"ok", f"{server.url}/x")
    assert server.connections == 1


def test_request_leaves_as_it_was_made(scripted, transport):
    server = scripted([READ, OK])
    headers = [("User-Agent", "fastdag"), ("X-A", "\xe9")]
    transport.send(call(server, "//evil/..%2F/%7Ea%2e?q=%C3%A4&b", headers=headers))
    head = server.requests[0][0].split("\r\n")
    assert head[0] == "GET //evil/..%2F/%7Ea%2E?q=%C3%A4&b HTTP/1.1"
    assert "X-A: \xe9" in head
    assert sum(line.lower().startswith("user-agent") for line in head) == 1
    assert not any(line.lower().startswith(("cookie", "authorization")) for line in head)


@pytest.mark.parametrize(("body", "framing"), [(b"abc", "Content-Length: 3"), (iter([b"a", b"bc"]), "chunked")])
def test_bodies_are_framed(scripted, transport, body, framing):
    server = scripted([READ, OK])
    transport.send(call(server, method="POST", body=body))
    head, sent = server.requests[0]
    assert framing in head
    assert sent in (b"abc", b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")


DRIPS = {
    "body (U07)": [READ, LONG, *[b"x", 0.1] * 50],
    "one chunk": [READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n", *[b"x", 0.1] * 50],
    "headers (U08)": [READ, b"HTTP/1.1 200 OK\r\n", *[b"X", 0.1] * 50],
    "100 Continue (U09)": [READ, *[b"HTTP/1.1 100 Continue\r\n\r\n", 0.05] * 100],
    "nothing (U03)": [READ, STALL],
    "body without end (U25)": [READ, b"HTTP/1.1 200 OK\r\n\r\n", STALL],
}


@pytest.mark.parametrize("script", DRIPS.values(), ids=DRIPS)
def test_no_dripping_outlives_the_deadline(scripted, transport, script):
    server = scripted(script)

    def ask():
        with pytest.raises(UpstreamTimeout) as caught:
            transport.send(call(server, seconds=0.2))
        assert caught.value.sent

    assert least(lambda: seconds_of(ask), times=5) < 0.3
    assert server.settled()


def test_early_hints_are_nobodys_answer(scripted, transport):
    # FAULTS U10: requests gives the 103 to A and then A's body to B.
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    server = scripted([READ, hints, 0.05, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA"], [READ, OK])
    with pytest.raises(UpstreamProtocolError, match="interim status 103"):
        transport.send(call(server))
    assert transport.send(call(server)).content == b"ok"
    assert server.connections == 2


def test_second_answer_in_one_segment_reaches_nobody(scripted, transport):
    # FAULTS U13
    server = scripted([READ, OK + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA", READ, OK], [READ, OK])
    assert [transport.send(call(server)).content for _ in range(2)] == [b"ok", b"ok"]


CUTS = {
    "fin in the body (U16)": [READ, LONG + b"0123456789", FIN],
    "reset in the body (U06)": [READ, LONG + b"0" * 500, 0.05, RST],
    "no last chunk (U17)": [READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", FIN],
    "fin in a chunk (U17)": [READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", FIN],
    "garbage": [READ, b"SSH-2.0-OpenSSH\r\n\r\n", FIN],
}


@pytest.mark.parametrize("script", CUTS.values(), ids=CUTS)
def test_cut_answers_are_errors(scripted, transport, script):
    server = scripted(script)
    with pytest.raises(UpstreamProtocolError) as caught:
        transport.send(call(server))
    assert (caught.value.sent, caught.value.received) == (True, True)
    assert server.settled()


@pytest.mark.parametrize("end", [FIN, RST])
def test_connection_lost_before_the_answer_says_that_the_request_was_sent(scripted, transport, end):
    # FAULTS U04: a POST is repeated only where it cannot have been seen.
    with pytest.raises(UpstreamConnectError) as caught:
        transport.send(call(scripted([READ, end]), method="POST", body=b"x"))
    assert (caught.value.sent, caught.value.received) == (True, False)


def test_refused_connection_was_never_sent(scripted, transport):
    server = scripted([FIN])
    server.stop()
    with pytest.raises(UpstreamConnectError) as caught:
        transport.send(call(server, method="POST"))
    assert (caught.value.sent, caught.value.received) == (False, False)


@pytest.mark.parametrize(
    ("raised", "kind", "sent"),
    [
        (requests.ConnectTimeout(), UpstreamTimeout, False),
        (requests.ReadTimeout(), UpstreamTimeout, True),
        (requests.exceptions.SSLError("certificate verify failed"), UpstreamConnectError, False),
        (requests.exceptions.ProxyError(), UpstreamConnectError, False),
        (requests.exceptions.InvalidProxyURL(), UpstreamConnectError, False),
    ],
)
def test_exceptions_of_requests_become_ours(scripted, raised, kind, sent):
    given = []

    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, *_args, timeout, **_more):
            given.append(timeout)
            raise raised

    session = requests.Session()
    session.mount("http://", Adapter())
    with pytest.raises(kind) as caught:
        RequestsTransport(session, connect_timeout=0.1).send(call(scripted([FIN])))
    assert (caught.value.sent, caught.value.__cause__) == (sent, raised)
    connect, read = given[0]
    assert connect == 0.1
    assert 1.5 < read <= 2


def test_host_that_is_no_address_is_refused(transport):
    with pytest.raises(UpstreamConnectError, match="by http:// and https:// only"):
        transport.send(Call("GET", "/", [], host=Host.parse("unix:///run/a.sock")))


def test_no_time_left_is_no_call(scripted, transport):
    server = scripted([READ, OK])
    with pytest.raises(UpstreamTimeout) as caught:
        transport.send(call(server, seconds=0))
    assert not caught.value.sent
    assert server.connections == 0


def test_body_over_the_limit_is_not_read_on(scripted, transport):
    # FAULTS U52
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    server = scripted([READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 1000])
    with pytest.raises(UpstreamTooLarge, match="more than 50000 bytes"):
        transport.send(call(server, max_bytes=50_000))
    assert server.settled()


def test_limit_is_on_decoded_bytes(scripted, transport):
    # FAULTS U50
    packed = gzip.compress(b"\0" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    server = scripted([READ, head + packed])
    assert len(transport.send(call(server, max_bytes=10_000_000)).content) == 10_000_000
    with pytest.raises(UpstreamTooLarge):
        transport.send(call(scripted([READ, head + packed]), max_bytes=100_000))


def test_broken_encoding_is_a_decode_error(scripted, transport):
    server = scripted([READ, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nno gz"])
    with pytest.raises(UpstreamDecodeError):
        transport.send(call(server))


def test_redirects_are_not_followed(scripted, transport):
    target = scripted([READ, OK])
    server = scripted([READ, f"HTTP/1.1 302 Found\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n".encode()])
    assert transport.send(call(server)).status_code == 302
    assert target.connections == 0


def test_environment_and_cookies_of_one_user_reach_no_other(scripted, tmp_path, monkeypatch):
    # FAULTS X02
    trap = scripted([READ, OK])
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", trap.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=A; Path=/\r\nContent-Length: 2\r\n\r\nok"
    for session in (None, requests.Session()):
        server = scripted([READ, cookie, READ, OK])
        transport = RequestsTransport(session)
        transport.send(call(server))
        transport.send(call(server, headers=[("Authorization", "Bearer B")]))
        first, second = (head for head, _ in server.requests)
        assert "authorization" not in first.lower()
        assert "Authorization: Bearer B" in second
        assert "cookie" not in second.lower()
        transport.close()
        if session is not None:
            session.close()
    assert trap.connections == 0


def test_given_session_brings_its_headers_auth_and_adapters(scripted):
    session = requests.Session()
    session.headers["X-From"] = "session"
    session.auth = ("user", "password")
    used = []

    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, *args, **more):
            used.append(1)
            return super().send(*args, **more)

    session.mount("http://", Adapter())
    server = scripted([READ, OK, READ, OK])
    catalog = Upstream("catalog", server.url, transport=session)
    assert catalog.get("/x").text == "ok"
    assert "X-From: session" in server.requests[0][0]
    assert "Authorization: Basic dXNlcjpwYXNzd29yZA==" in server.requests[0][0]
    assert used
    catalog.close()
    assert catalog.get("/x").text == "ok", "a given session is its owner's to close"
    assert server.connections == 1
    session.close()


def test_digest_authentication_works(scripted):
    session = requests.Session()
    session.auth = requests.auth.HTTPDigestAuth("user", "password")
    asked = (
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    )
    server = scripted([READ, asked, READ, OK])
    transport = RequestsTransport(session)
    assert transport.send(call(server)).status_code == 200
    assert "Authorization: Digest" in server.requests[1][0]
    session.close()


def test_streamed_answer_comes_in_pieces_and_ends_with_its_block(scripted, transport):
    server = scripted([READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", STALL])
    with transport.send(call(server, stream=True)) as answer:
        assert next(iter(answer)) == b"ab"
    assert server.settled()


def test_streamed_answer_has_a_deadline_and_a_limit(scripted, transport):
    server = scripted([READ, LONG, b"x" * 10, STALL])
    with transport.send(call(server, stream=True, seconds=0.8)) as answer, pytest.raises(UpstreamTimeout):
        assert answer.content
    assert server.settled()
    server = scripted([READ, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000])
    with transport.send(call(server, stream=True, max_bytes=5)) as answer, pytest.raises(UpstreamTooLarge):
        list(answer)
    assert server.settled()


def test_callers_own_timeout_is_not_ours_and_leaves_no_connection(scripted, transport):
    server = scripted([READ, LONG, STALL])
    with pytest.raises(Timeout) as caught, Timeout(0.05):
        transport.send(call(server))
    assert not isinstance(caught.value, UpstreamTimeout)
    assert server.settled()


def test_killed_call_leaves_no_connection(scripted, transport):
    server = scripted([READ, LONG, STALL])
    caller = gevent.spawn(transport.send, call(server))
    while not server.requests:
        time.sleep(0.005)
    caller.kill()
    assert server.settled()


def test_fan_out_opens_no_connection_twice(scripted, transport):
    server = scripted([READ, 0.05, OK, READ, 0.05, OK])
    for _ in range(2):
        callers = [gevent.spawn(transport.send, call(server)) for _ in range(50)]
        assert [caller.get().content for caller in callers] == [b"ok"] * 50
    assert server.connections == 50


def test_what_requests_cannot_do_is_refused_when_declared():
    with pytest.raises(ValueError, match=r"a: requests reaches hosts by http:// and https:// only"):
        Upstream("a", "unix:///run/a.sock", transport="requests")
    with pytest.raises(TypeError, match=r"a: transport='requests' takes no idle=, max_age="):
        Upstream("a", "http://a", transport="requests", max_age=1, idle=1)
    with pytest.raises(TypeError, match=r"a: transport=requests.Session\(\) takes no verify="):
        Upstream("a", "http://a", transport=requests.Session(), verify=False)
