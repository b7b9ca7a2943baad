"""The client and malicious rows of the fault catalogue, through real gunicorn, as far as an app answers for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.serving import Server
from tests.web.conftest import Back

POST = "POST /order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer["content-type"] == "application/problem+json"
    assert answer["x-content-type-options"] == "nosniff"
    found: dict[str, Any] = json.loads(answer.body)
    assert found["status"] == status
    return found


@pytest.mark.parametrize(
    "written",
    [
        *("%2e%2e", "%2e", "..;%2Fx", "x%3Fy=1", "x%23y", "x%5Cy", "%00", "%0d%0aX:%201", "%20", "%25252e", "a%26b"),
        *("%C3%A9", "a+b", "a;b=c", "~", "%7F"),
    ],
)
def test_no_id_changes_which_resource_is_asked_for(served: Server, back: Back, written: str) -> None:
    answer = served.get(f"/solo/{written}")

    if answer.status == 200:
        (asked,) = back.asked
        method, target, version = asked.line.split(" ")
        assert (method, version) == ("GET", "HTTP/1.1")
        assert target.startswith("/items/")
        assert target.count("/") == 2
        assert "?" not in target
        assert target.removeprefix("/items/") not in ("", ".", "..")
        assert "x" not in [name.lower() for name, _ in asked.headers]
    else:
        assert answer.status in (400, 404)
        assert back.asked == []


@pytest.mark.parametrize("written", ["a%2F..%2F..%2Fadmin", "a/../../admin", "/evil", "", ".", "..", "..%2fadmin"])
def test_no_path_gets_around_a_route(served: Server, back: Back, written: str) -> None:
    assert served.get(f"/solo/{written}").status in (400, 404)
    assert back.asked == []


@pytest.mark.parametrize("value", ["a%0d%0aX-Evil:%201", "a%00b", "a%0Ab", "%E2%82%AC", "a%7Fb"])
def test_no_value_can_add_an_upstream_header(served: Server, back: Back, value: str) -> None:
    answer = served.get(f"/solo/1?tenant={value}")

    problem(answer, 400)
    assert back.asked == []


@pytest.mark.parametrize("value", ["a%0d%0aX-Evil:%201", "a%26b=c%23d", "a%00b"])
def test_no_value_can_add_an_upstream_parameter(served: Server, back: Back, value: str) -> None:
    answer = served.get(f"/solo/1?q={value}")

    if answer.status == 200:
        target = back.asked[0].line.split(" ")[1]
        assert target.startswith("/items/1?q=")
        assert target.count("&") == target.count("#") == 0
    else:
        problem(answer, 400)
        assert back.asked == []


def test_only_named_headers_go_upstream(served: Server, back: Back) -> None:
    served.get(
        "/solo/1",
        *("Cookie: sid=A", "Authorization: Bearer A", "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6"),
        *("X-Real-IP: 6.6.6.6", "TE: trailers", "Accept-Language: de", "X-Request-Id: r-1", "X-Api-Key: k"),
    )

    (asked,) = back.asked
    names = {name.lower() for name, _ in asked.headers}
    assert asked.header("accept-language") == ["de"]
    assert asked.header("x-request-id") == ["r-1"]
    assert asked.header("traceparent")
    assert not names & {"cookie", "authorization", "x-forwarded-for", "forwarded", "x-real-ip", "te", "x-api-key"}


def test_nominating_a_header_does_not_strip_it(served: Server, back: Back) -> None:
    served.get("/solo/1", "Connection: X-Request-Id, Accept-Language", "Accept-Language: de", "X-Request-Id: r-1")

    assert back.asked[0].header("accept-language") == ["de"]
    assert back.asked[0].header("x-request-id") == ["r-1"]


def test_only_named_headers_come_back(served: Server, back: Back) -> None:
    back.script["/ads"] = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Total: 3\r\nSet-Cookie: sid=A\r\nServer: secret/1\r\n"
        b"Cache-Control: max-age=9\r\nX-Other: 1\r\n\r\n[]"
    )

    answer = served.get("/page")

    assert answer.status == 200
    assert answer["fastdag-complete"] == "true"
    assert answer["x-total"] == "3"
    assert "secret" not in str(answer.headers)
    for name in ("set-cookie", "cache-control", "x-other"):
        assert answer[name] is None


def test_an_upstream_header_with_control_characters_breaks_nothing(served: Server, back: Back) -> None:
    back.script["/ads"] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Total: a\x01b\x7f\r\n\r\n[]"

    answer = served.get("/page")

    assert answer.status == 200
    assert answer["x-total"] is None


def test_an_optional_upstream_that_hangs_leaves_a_partial_answer(served: Server, back: Back) -> None:
    back.script["/ads"] = 3.0

    answer = served.get("/page")

    assert answer.status == 200
    assert answer["fastdag-missing"] == "ads;reason=timeout"
    assert answer["cache-control"] == "no-store"


def test_a_required_upstream_that_fails_stops_what_needs_it(served: Server, back: Back) -> None:
    back.script["/user"] = b"HTTP/1.1 500 Oops\r\nContent-Length: 15\r\n\r\nSECRET 10.0.0.5"

    found = problem(served.get("/page"), 502)

    assert (found["node"], found["reason"]) == ("user", "status")
    assert "SECRET" not in str(found)
    assert not [asked for asked in back.asked if "/detail" in asked.line]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_body_reaches_every_node(served: Server, back: Back, method: str) -> None:
    body = b'{"size": 3, "items": [1, 2]}'
    with served.client() as client:
        client.send(
            f"{method} /order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert client.answer().status == 200

    bodies = {asked.line.split(" ")[1]: json.loads(asked.body) for asked in back.asked}
    assert bodies == {"/charge": {"size": 3, "items": [1, 2]}, "/audit": {"size": 3}}


def test_a_body_that_is_cut_short_is_400_and_asks_nobody(served: Server, back: Back) -> None:
    with served.client() as client:
        client.send(POST + "Content-Length: 1000\r\n\r\n{")
        client.finish_sending()
        assert client.rest()[:12] in (b"HTTP/1.1 400", b"")  # a half-closed connection is a departure to our worker

    assert back.asked == []


def test_a_body_that_is_too_large_is_413_before_it_is_read(served: Server, back: Back) -> None:
    with served.client() as client:
        client.send(POST + "Content-Length: 10000000\r\n\r\n")
        assert client.answer().status == 413

    assert back.asked == []


def test_a_chunked_body_that_is_too_large_is_413(served: Server, back: Back) -> None:
    with served.client() as client:
        client.send(POST + "Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            for _ in range(20):
                client.send(chunk)
            client.send(b"0\r\n\r\n")
        except ConnectionError:
            pass  # refused before all was sent
        else:
            assert client.answer().status == 413

    assert back.asked == []


def test_a_bug_tells_nothing(served: Server) -> None:
    answer = served.get("/secret")

    assert problem(answer, 500)["node"] == "leak"
    assert b"SECRET" not in answer.body
    assert b"10.0.0.5" not in answer.body
    assert "SECRET" not in str(answer.headers)


@pytest.mark.parametrize(
    "path", ["/metrics", "/openapi.json", "/_fastdag/", "/_fastdag/docs", "/debug", "/.git/config"]
)
def test_nothing_of_the_inside_is_on_the_public_port(served: Server, path: str) -> None:
    problem(served.get(path), 404)


def test_what_is_echoed_cannot_be_taken_for_html(served: Server) -> None:
    answer = served.get("/echo?q=%3Cscript%3Ealert(1)%3C/script%3E")

    assert answer["content-type"] == "application/json"
    assert answer["x-content-type-options"] == "nosniff"


def test_what_a_peer_claims_about_its_client_counts_only_from_those_we_trust(served: Server, trusting: Server) -> None:
    claim = "X-Forwarded-For: 6.6.6.6, 203.0.113.9"

    assert served.get("/echo", claim).json()["client"] == "127.0.0.1"
    assert trusting.get("/echo", claim).json()["client"] == "203.0.113.9"


@pytest.mark.parametrize("said", ["0", "-1", "0.0"])
def test_no_time_left_asks_nobody(trusting: Server, back: Back, said: str) -> None:
    problem(trusting.get("/solo/1", f"Fastdag-Deadline: {said}"), 504)

    assert back.asked == []


@pytest.mark.parametrize("said", ["1e9", "NaN", "soon", "inf"])
def test_more_time_than_the_route_has_is_not_had(trusting: Server, back: Back, said: str) -> None:
    assert trusting.get("/solo/1", f"Fastdag-Deadline: {said}").status == 200


def test_an_untrusted_deadline_is_ignored(served: Server, back: Back) -> None:
    assert served.get("/solo/1", "Fastdag-Deadline: 0").status == 200


def test_methods_are_answered_as_http_has_it(served: Server, back: Back) -> None:
    with served.client() as client:
        head = client.get("/solo/1", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        whole = client.get("/solo/1")
        assert head["content-length"] == whole["content-length"] == str(len(whole.body))
        refused = client.get("/solo/1", method="DELETE")
        problem(refused, 405)
        assert "GET" in refused["allow"]
        assert client.get("/solo/1", method="OPTIONS").status == 200
        assert client.get("/solo/1", f"If-None-Match: {whole['etag']}").status == 304


def test_large_answers_are_compressed_and_vary(served: Server, back: Back) -> None:
    with served.client() as client:
        plain = client.get(f"/echo?q={'x' * 2000}")
        packed = client.get(f"/echo?q={'x' * 2000}", "Accept-Encoding: gzip")

    assert packed["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 10
    assert plain["vary"] == packed["vary"] == "accept-encoding"


def test_a_client_that_leaves_stops_what_was_begun_for_it(trusting: Server, back: Back) -> None:
    back.script["/user"] = 2.0

    with trusting.client() as client:
        client.send("GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
        trusting.until(lambda: [asked for asked in back.asked if "/user" in asked.line])
        client.reset()
    trusting.until(lambda: trusting.get("/echo").json()["in_flight"] == 1, seconds=1.5)
    trusting.until(lambda: "/user" in back.answered)  # somebody who is not there any more

    assert not [asked for asked in back.asked if "/detail" in asked.line]


def test_frames_arrive_one_by_one(served: Server, back: Back) -> None:
    back.script["/slow"] = 0.5

    with served.client() as client:
        client.send("GET /live HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
        head = client.read_until(b"\r\n\r\n").lower()
        assert b"content-type: application/x-ndjson" in head
        assert b"transfer-encoding: chunked" in head
        first = client.read_until(b"\n")
        assert "/slow" not in back.answered
        rest = client.read_until(b"\r\n0\r\n\r\n")

    assert b'"key":"quick"' in first or b'"key":"quick"' in rest.partition(b"\n")[0]
    assert b'"frame":"end","complete":true' in rest


def test_a_client_that_leaves_a_stream_frees_its_place(served: Server, back: Back) -> None:
    back.script["/slow"] = 0.3

    for _ in range(3):
        with served.client() as client:
            client.send("GET /live HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            client.read_until(b"event: output")

    served.until(lambda: served.get("/echo").json()["in_flight"] == 1)
