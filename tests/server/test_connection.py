"""What a client sees on one connection, of this worker and of gunicorn's own."""

import json
import random
import time

import pytest

from tests.machine import PAUSE
from tests.server.serving import OURS, access_lines, serving


def test_a_request_is_answered_and_the_connection_kept(either):
    with either.client() as client:
        for _ in range(3):
            answer = client.get("/")
            assert (answer.status, answer.body, answer["connection"]) == (200, b"hello", "keep-alive")
            assert answer["server"] == "gunicorn"
            assert answer["date"].endswith("GMT")


@pytest.mark.parametrize(
    ("start", "headers", "kept"),
    [
        ("GET / HTTP/1.1", [], True),
        ("GET / HTTP/1.1", ["Connection: close"], False),
        ("GET / HTTP/1.0", [], False),
        ("GET / HTTP/1.0", ["Connection: keep-alive"], True),
    ],
)
def test_the_client_decides_whether_the_connection_is_kept(either, start, headers, kept):
    with either.client() as client:
        client.send("\r\n".join([start, "Host: test", *headers, "", ""]))
        answer = client.answer()
        assert answer["connection"] == ("keep-alive" if kept else "close")
        if not kept:
            assert client.rest() == b""


def test_pipelined_requests_are_answered_in_order(either):
    with either.client() as client:
        client.send(*[f"GET /environ?{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in range(5)])
        assert [client.answer().json()["QUERY_STRING"] for _ in range(5)] == list("01234")


def test_a_pipelined_request_waits_for_one_that_blocks_and_for_a_body(ours):
    with ours.client() as client:
        client.send(
            "GET /slow?s=0.1 HTTP/1.1\r\nHost: a\r\n\r\n"
            "POST /environ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            "POST /environ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
            "GET / HTTP/1.1\r\n"
        )
        assert client.answer().body == b"slept"
        assert client.answer().json()["body"] == "abc"
        assert client.answer().json()["body"] == "de"
        client.send("Host: a\r\n\r\n")
        assert client.answer().body == b"hello"


def test_a_client_that_sends_far_ahead_is_slowed_down_and_served(ours):
    with ours.client() as client:
        client.send("GET /slow?s=0.1 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000 + b"\r\n\r\n")
        more = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 1000 + b"\r\n\r\n"
        client.send(more * 150)
        assert client.answer().body == b"slept"
        assert [client.answer().body for _ in range(151)] == [b"hello"] * 151


REQUEST = (
    b"POST /a%20b/c?x=%20&y HTTP/1.1\r\nHost: example.com:81\r\nContent-Type: text/x\r\nX-Twice: 1\r\n"
    b"Cookie: a=b; c=d\r\nX-Twice: 2\r\nX-Forwarded-Proto: https\r\nContent-Length: 7\r\n\r\nthebody"
)


def environ_of(server, request, split):
    with server.client() as client:
        for part in split(request.replace(b"/a%20b/c", b"/environ")):
            client.send(part)
        environ = client.answer().json()
    for varies in ("REMOTE_PORT", "SERVER_PORT"):
        assert environ.pop(varies).isdigit()
    return environ


def randomly(data):
    chance = random.Random(7)
    while data:
        size = chance.randint(1, 40)
        yield data[:size]
        data = data[size:]


@pytest.mark.parametrize(
    "split", [lambda data: [data], lambda data: [bytes([b]) for b in data], randomly], ids=["whole", "bytes", "random"]
)
@pytest.mark.parametrize(
    "request_bytes",
    [
        REQUEST,
        b"GET /environ HTTP/1.0\r\n\r\n",
        b"OPTIONS /environ?a=b#c HTTP/1.1\r\nHost: x\r\nAccept:\t*/* \r\nX-Latin: \xe9\r\n\r\n",
        b"GET http://other:99/environ?q HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\nGET //environ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /en%76iron HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Empty:\r\n\r\n",
    ],
)
def test_the_environ_is_that_of_gunicorns_own_worker(both, request_bytes, split):
    ours, stock = (environ_of(server, request_bytes, split) for server in both)
    assert ours == stock


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with (
        serving(tmp_path_factory.mktemp("mine"), worker=OURS) as mine,
        serving(tmp_path_factory.mktemp("stock"), worker="gevent") as stock,
    ):
        yield mine, stock


def test_a_chunked_body_has_a_length_in_the_environ(ours):
    with ours.client() as client:
        client.send("POST /environ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send("5;a=b\r\nhello\r\n", "1\r\n!\r\n", "0\r\nX-Trailer: 1\r\n\r\n")
        environ = client.answer().json()
    assert (environ["body"], environ["CONTENT_LENGTH"]) == ("hello!", "6")


def test_a_program_may_change_its_environ_without_telling_the_next_request(ours):
    with ours.client() as client:
        first, second = client.get("/environ").json(), client.get("/environ", "X-New: 1").json()
    assert second.pop("HTTP_X_NEW") == "1"
    assert first == second


def test_requests_of_one_connection_share_no_context_no_thread_locals_and_no_greenlet(ours):
    with ours.client() as client:
        for name in ("ada", "bob", "eve"):
            assert client.get(f"/context?user={name}").json() == ["nobody", "nobody", "nobody"]


def test_a_timeout_that_a_request_forgot_hits_no_other(ours):
    with ours.client() as client:
        assert client.get("/timeout").body == b"armed"
        assert [client.get("/slow?s=0.05").body for _ in range(3)] == [b"slept"] * 3


@pytest.mark.parametrize(
    ("target", "body"),
    [("/stream", b"one,two,three"), ("/written", b"written,returned"), ("/closing", b"body"), ("/long", b"more")],
)
def test_bodies_arrive_whole_and_framed(either, target, body):
    with either.client() as client:
        assert client.get(target).body == body
        assert client.get("/").body == b"hello"


def test_a_body_that_is_closed_by_the_program_is_closed_once(either):
    either.notes()
    either.get("/closing")
    assert either.notes() == ["closed"]


def test_a_stream_for_http_1_0_ends_with_the_connection(either):
    with either.client() as client:
        client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = client.answer()
    assert (answer.body, answer["connection"], answer["transfer-encoding"]) == (b"one,two,three", "close", None)


def test_answers_without_a_body_have_none_and_keep_the_connection(either):
    with either.client() as client:
        head = client.get("/", method="HEAD")
        assert (head.status, head["content-length"], head.rest) == (200, "5", b"")
        for status in ("204%20No%20Content", "304%20Not%20Modified"):
            answer = client.get(f"/empty?status={status}")
            assert (answer["content-length"], answer["transfer-encoding"], answer["x-made"]) == (None, None, "yes")
        assert client.get("/").body == b"hello"


def test_a_body_shorter_than_its_length_ends_the_connection(ours):
    with ours.client() as client:
        client.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(EOFError):
            client.answer()


@pytest.mark.parametrize("kind", ["crlf", "lf", "nul", "name", "lengths", "length", "type"])
def test_headers_that_would_break_the_answer_are_a_500(ours, kind):
    answer = ours.get(f"/headers?kind={kind}")
    assert answer.status == 500
    assert b"evil" not in answer.body
    assert "set-cookie" not in answer.headers
    assert answer["content-type"] == "application/problem+json"


def test_a_bug_is_a_500_and_logged(either):
    with either.client() as client:
        assert client.get("/boom").status == 500
    either.until(lambda: "ValueError: a bug" in either.words())


@pytest.mark.parametrize("target", ["/boom", "/exit"])
def test_after_a_bug_the_connection_goes_on(ours, target):
    with ours.client() as client:
        assert client.get(target).status == 500
        assert client.get("/").body == b"hello"


def test_a_bug_in_the_midst_of_a_body_ends_the_connection_without_its_last_chunk(ours):
    with ours.client() as client:
        client.send("GET /late/boom HTTP/1.1\r\nHost: a\r\n\r\n")
        everything = client.rest()
    assert b"begun" in everything
    assert b"0\r\n\r\n" not in everything


def test_early_hints_come_before_the_answer(either):
    with either.client() as client:
        hint = client.get("/early")
        assert (hint.status, hint["link"]) == (103, "</a.css>; rel=preload")
        assert client.answer().body == b"after the hint"


def test_a_large_answer_arrives_whole_at_a_slow_client(ours):
    with ours.client(receive_buffer=4096) as client:
        client.send("GET /big?n=3000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1)
        assert client.answer().body == b"x" * 3_000_000
        assert client.get("/").body == b"hello"


def test_a_connection_that_waits_too_long_for_its_next_request_is_closed(hasty):
    with hasty.client() as client:
        began = time.monotonic()
        client.get("/")
        assert client.rest() == b""
        assert 0.9 < time.monotonic() - began < 2 + PAUSE


def test_each_request_has_one_line_in_the_access_log(ours):
    before = len(access_lines(ours))
    with ours.client() as client:
        client.get("/")
        client.get("/stream")
        client.get("/boom")
        client.get("/nothing")
        client.send("GET / HTTP/9\r\n\r\n")
        client.rest()
    lines = ours.until(lambda: len(found := access_lines(ours)[before:]) >= 5 and found)
    assert [line.rsplit(" ", 1)[0] for line in lines] == [
        "GET / 200",
        "GET /stream 200",
        "GET /boom 500",
        "GET /nothing 404",
        "- - 400",
    ]


def test_a_unix_socket_is_served(tmp_path):
    with serving(tmp_path, bind=f"unix:{tmp_path}/sock") as server:
        environ = json.loads(server.get("/environ").body)
    assert (environ["REMOTE_ADDR"], environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("", "test", "80")


def test_gunicorns_hooks_and_trust_in_a_proxy(tmp_path):
    settings = (
        "def pre_request(worker, req): worker.log.warning('pre %s %s', req.method, req.path)\n"
        "def post_request(worker, req, environ, resp): worker.log.warning('post %s %s', resp.status, resp.sent)\n"
        "forwarded_allow_ips = '10.0.0.0/8'\nraw_env = ['SCRIPT_NAME=/below']\n"
    )
    with serving(tmp_path, settings=settings) as server:
        untrusted = server.get("/below/environ", "X-Forwarded-Proto: https").json()
        server.until(lambda: "post 200 OK" in server.words())
        outside = server.get("/environ").status
        server.until(lambda: access_lines(server)[-1].startswith("- - 500"))
    assert (untrusted["wsgi.url_scheme"], untrusted["SCRIPT_NAME"], untrusted["PATH_INFO"]) == (
        "http",
        "/below",
        "/environ",
    )
    assert "pre GET /below/environ" in server.words()
    assert outside == 500
