"""`Upstream`, above a transport that is a fake: what leaves, until when, on whose behalf."""

import contextlib
import json

import pytest

from fastdag.context import SCOPE, Context, Scope
from fastdag.deadline import after, now
from fastdag.errors import InvalidValue, UpstreamConnectError, UpstreamRejected, UpstreamStatusError
from fastdag.upstream.call import Headers, Response
from fastdag.upstream.client import Upstream
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.retry import Retry


class Fake:
    """A transport that notes what it is asked and answers what it was told to."""

    def __init__(self, answer=None):
        self.answer = answer or Response(200, Headers(), b"{}")
        self.seen = []
        self.closed = False

    def send(self, call):
        self.seen.append(call.again())
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer

    def close(self):
        self.closed = True


def upstream(answer=None, **options):
    fake = Fake(answer)
    return Upstream("catalog", options.pop("base_url", "http://catalog:8080"), transport=fake, **options), fake


@contextlib.contextmanager
def run(scope):
    token = SCOPE.set(scope)
    try:
        yield
    finally:
        SCOPE.reset(token)


def sent_headers(fake):
    return {name.lower(): value for name, value in fake.seen[-1].headers}


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete"])
def test_verbs_say_what_they_send(method):
    catalog, fake = upstream()
    assert getattr(catalog, method)("/products", params={"a": 1}).ok
    assert (fake.seen[0].method, fake.seen[0].target) == (method.upper(), "/products?a=1")
    assert fake.seen[0].idempotent is (method in ("get", "head"))


def test_request_takes_any_method_and_may_be_said_to_be_idempotent():
    catalog, fake = upstream()
    catalog.request("purge", "/x", idempotent=True)
    assert (fake.seen[0].method, fake.seen[0].idempotent) == ("PURGE", True)


def test_json_and_data_make_the_body():
    catalog, fake = upstream()
    catalog.post("/x", json={"a": None})
    assert (fake.seen[-1].body, sent_headers(fake)["content-type"]) == (b'{"a":null}', "application/json")
    catalog.post("/x", data={"a": 1})
    assert (fake.seen[-1].body, sent_headers(fake)["content-type"]) == (b"a=1", "application/x-www-form-urlencoded")
    catalog.post("/x", data=b"<x/>", headers={"content-type": "text/xml"})
    assert (fake.seen[-1].body, sent_headers(fake)["content-type"]) == (b"<x/>", "text/xml")


@pytest.mark.parametrize("path", ["http://evil/x", "evil", "\\\\evil\\x", "/../x", ""])
def test_no_path_changes_the_host(path):
    catalog, fake = upstream()
    with pytest.raises(InvalidValue):
        catalog.get(path)
    catalog.get("//evil/x")
    assert [(call.host.name, call.target) for call in fake.seen] == [("catalog", "//evil/x")]


def test_headers_of_the_call_stand_over_the_clients_over_the_defaults():
    catalog, fake = upstream(headers={"X-A": "default", "X-B": "default"}, forward_headers=["X-B", "X-C", "X-D"])
    context = Context(headers={"x-b": "client", "x-c": "client", "x-secret": "s", "cookie": "c"})
    with run(Scope(context)):
        catalog.get("/x", headers={"x-c": "call"})
    found = sent_headers(fake)
    assert (found["x-a"], found["x-b"], found["x-c"]) == ("default", "client", "call")
    assert not {"x-d", "x-secret", "cookie"} & set(found)
    assert len(fake.seen[0].headers) == len(found)


def test_nothing_is_forwarded_unless_it_is_named():
    catalog, fake = upstream()
    with run(Scope({"headers": {"authorization": "Bearer token", "x-request-id": "1"}})):
        catalog.get("/x")
        catalog.get("/x", forward_headers=["X-Request-Id"])
    assert {name for name, _ in fake.seen[0].headers} == {"User-Agent"} | {fake.seen[0].headers[-1][0]}
    assert "authorization" not in sent_headers(fake)
    assert sent_headers(fake)["x-request-id"] == "1"


def test_clients_connection_header_strips_nothing_that_is_named():
    # FAULTS M06: nominating a header as hop-by-hop must not make it disappear on the way.
    catalog, fake = upstream(forward_headers=["authorization"])
    with run(Scope(Context(headers={"authorization": "Bearer t", "connection": "authorization, x-own", "te": "x"}))):
        catalog.get("/x", headers={"X-Own": "1"})
    assert (sent_headers(fake)["authorization"], sent_headers(fake)["x-own"]) == ("Bearer t", "1")
    assert not {"connection", "te"} & set(sent_headers(fake))


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\0", "\u20ac"])
def test_header_that_cannot_be_forwarded_is_the_clients_fault(value):
    catalog, fake = upstream(forward_headers=["x-a"])
    with run(Scope(Context(headers={"x-a": value}))), pytest.raises(InvalidValue) as caught:
        catalog.get("/x")
    assert caught.value.reason == "invalid"
    assert fake.seen == []


@pytest.mark.parametrize("context", [None, 7, {"headers": None}, {}, Context()])
def test_context_without_headers_forwards_none(context):
    catalog, fake = upstream(forward_headers=["x-a"])
    with run(Scope(context)):
        catalog.get("/x")
    assert "x-a" not in sent_headers(fake)


def test_every_call_says_for_whom_it_is_also_from_a_run_inside_a_run():
    # FAULTS X05
    context = Context(outbound=(("X-Request-Id", "r1"), ("traceparent", "t1")))
    catalog, fake = upstream()
    named, seen_by_named = upstream(headers={"x-request-id": "mine"})
    with run(Scope({"any": "context"}, parent=Scope(context))):
        catalog.get("/x")
        catalog.get("/x", headers={"Traceparent": "own", "X-A": "1"})
        named.get("/x")
        named.post("/x", json={})
    assert fake.seen[0].headers[1:3] == (("X-Request-Id", "r1"), ("traceparent", "t1"))
    assert (sent_headers(fake)["x-request-id"], sent_headers(fake)["traceparent"]) == ("r1", "own")
    for call in seen_by_named.seen:
        assert [value for name, value in call.headers if name.lower() == "x-request-id"] == ["mine"]


def test_auth_sees_the_call_and_its_headers_win():
    def sign(call):
        assert ("X-A", "1") in call.headers
        return {"authorization": f"{call.method} {call.target} {len(call.body)}"}

    catalog, fake = upstream(auth=sign)
    catalog.post("/x", params={"a": 1}, data=b"four", headers={"X-A": "1", "Authorization": "mine"})
    assert sent_headers(fake)["authorization"] == "POST /x?a=1 4"
    assert len(fake.seen[0].headers) == len(sent_headers(fake))


def test_auth_may_have_nothing_to_say_or_something_bad():
    catalog, fake = upstream(auth=lambda call: None)
    assert catalog.get("/x").ok
    catalog, fake = upstream(auth=lambda call: {"X-A": "a\nb"})
    with pytest.raises(InvalidValue):
        catalog.get("/x")
    assert fake.seen == []


def test_the_headers_that_calls_share_cannot_be_changed_by_one_of_them():
    catalog, fake = upstream()
    catalog.get("/x")
    catalog.get("/x")
    first, second = fake.seen
    assert first.headers is second.headers
    assert isinstance(first.headers, tuple)


def test_calls_of_different_requests_share_no_headers():
    catalog, fake = upstream()
    for name in ("ann", "bob"):
        with run(Scope(Context(outbound=(("X-Request-Id", name),)))):
            catalog.get("/x")
    assert [dict(call.headers)["X-Request-Id"] for call in fake.seen] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("own", "call", "of_run", "expected"),
    [
        (0.5, None, None, 0.5),
        (0.5, 0.2, None, 0.2),
        (0.2, 0.5, None, 0.5),
        (None, None, 0.3, 0.3),
        (0.9, 0.8, 0.3, 0.3),
    ],
)
def test_timeout_is_the_total_and_never_past_the_run(own, call, of_run, expected):
    catalog, fake = upstream(timeout=own, attempt_timeout=None)
    with run(Scope(deadline=after(of_run))):
        catalog.get("/x", timeout=call)
    left = fake.seen[0].deadline - now()
    assert expected - 0.1 < left <= expected


def test_call_of_a_run_that_is_over_is_refused_at_once():
    catalog, fake = upstream()
    outer = Scope()
    inner = Scope(parent=outer)
    outer.closed = True
    with run(inner), pytest.raises(UpstreamRejected, match="the run that this call belongs to is over") as caught:
        catalog.get("/x")
    assert (caught.value.reason, caught.value.upstream) == ("cancelled", "catalog")
    assert fake.seen == []


def test_limits_on_the_answer():
    catalog, fake = upstream(max_response_bytes=10)
    catalog.get("/x")
    catalog.get("/x", max_response_bytes=20, stream=True)
    assert [(call.max_bytes, call.stream) for call in fake.seen] == [(10, False), (20, True)]


def test_errors_say_whose_they_are():
    catalog, _ = upstream(UpstreamConnectError("refused"), retry=None)
    with pytest.raises(UpstreamConnectError, match="catalog: refused"):
        catalog.get("/x")


def test_response_looks_like_that_of_requests():
    answer = Response(
        404, Headers([("Retry-After", "3"), ("X-A", "1"), ("x-a", "2")]), b'{"a":1}', url="http://u/x", elapsed=0.5
    )
    catalog, _ = upstream(answer)
    found = catalog.get("/x")
    assert (found.status_code, found.ok, found.url, found.elapsed) == (404, False, "http://u/x", 0.5)
    assert (found.content, found.text, found.json()) == (b'{"a":1}', '{"a":1}', {"a": 1})
    assert (found.headers["X-a"], found.headers.get_all("X-A")) == ("1, 2", ["1", "2"])
    with pytest.raises(UpstreamStatusError, match="status 404") as caught:
        found.raise_for_status()
    assert (caught.value.status, caught.value.retry_after, caught.value.response) == (404, 3.0, found)


def test_events_of_a_call():
    catalog, fake = upstream()
    told = []
    catalog.on("call.started", lambda name, fields: told.append((name, dict(fields))))
    catalog.on("call.ended", lambda name, fields: told.append((name, dict(fields))))
    with run(Scope(node_id="product")):
        catalog.get("/x", params={"token": "secret"})
    fake.answer = UpstreamConnectError("refused")
    with pytest.raises(UpstreamConnectError):
        catalog.post("/x")
    about = {"upstream": "catalog", "node": "product", "method": "GET", "path": "/x"}
    assert told[0] == ("call.started", about)
    assert told[1][1].pop("elapsed") >= 0
    assert told[1] == ("call.ended", {**about, "status": 200, "reason": ""})
    assert told[3][1]["reason"] == "connect"
    assert "secret" not in json.dumps([fields for _, fields in told])


def test_instrument_that_raises_is_switched_off():
    catalog, _ = upstream()
    told = []

    def broken(name, fields):
        told.append(name)
        raise ValueError

    catalog.on("call.ended", broken)
    assert catalog.get("/x").ok
    assert catalog.get("/x").ok
    assert told == ["call.ended"]


def test_closing_closes_the_transport():
    catalog, fake = upstream()
    catalog.close()
    assert fake.closed


def test_repr_shows_name_places_and_state():
    seen = []

    def look():
        seen.append(repr(catalog))
        return Response(200, Headers(), b"")

    catalog, _ = upstream(look, base_url=["http://a:1", "http://b:2"])
    catalog.get("/x")
    urls = "<Upstream catalog http://a:1 http://b:2 "
    assert seen == [urls + "[1 in flight, 0 waiting, breaker closed/closed]>"]
    assert repr(catalog) == urls + "[0 in flight, 0 waiting, breaker closed/closed]>"
    assert repr(upstream(bulkhead=None, breaker=None)[0]).endswith("[no bulkhead, breaker off]>")


def test_describes_the_stack_that_was_declared():
    catalog, _ = upstream(retry=None, coalesce=True, breaker=Breaker(calls=7), timeout=0.8)
    found = catalog.describe()
    layers = {layer["name"]: layer["options"] for layer in found["layers"]}
    assert (found["name"], found["timeout"], found["hosts"]) == ("catalog", 0.8, ["http://catalog:8080"])
    assert list(layers) == ["coalesce", "timeout", "balance", "breaker", "bulkhead", "attempt"]
    assert layers["breaker"]["calls"] == 7


def test_policies_of_one_call_hold_for_that_call():
    catalog, fake = upstream(UpstreamConnectError("refused"), breaker=None)
    for policies, attempts in (({}, 2), ({"retry": None}, 1), ({"retry": Retry(attempts=3, backoff=0)}, 3)):
        fake.seen.clear()
        with pytest.raises(UpstreamConnectError):
            catalog.get("/x", **policies)
        assert len(fake.seen) == attempts


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"base_url": "catalog:8080"}, ValueError, "catalog: 'catalog:8080' is no base URL; write it like"),
        ({"base_url": "ftp://catalog"}, ValueError, "is no base URL"),
        ({"base_url": "http://"}, ValueError, "is no base URL"),
        ({"base_url": "http://a b/"}, ValueError, "is no base URL"),
        ({"base_url": "http://a\r\nb/"}, ValueError, "is no base URL"),
        ({"base_url": "http://a:99999"}, ValueError, "is no base URL"),
        ({"base_url": "http://a:0"}, ValueError, "is no base URL"),
        ({"base_url": "http://a/?x=1"}, ValueError, "is no base URL"),
        ({"base_url": "http://a/b c"}, ValueError, "is no base URL"),
        ({"base_url": "unix://catalog.sock"}, ValueError, "is no base URL"),
        ({"base_url": "http://user:secret@catalog"}, ValueError, "holds no credentials"),
        ({"base_url": ["http://a", "http://a"]}, ValueError, "base_url names the same place twice"),
        ({"base_url": []}, TypeError, "base_url is a URL like 'http://catalog:8080', or a list of them"),
        ({"base_url": None}, TypeError, "base_url is a URL like"),
        ({"timeout": "1"}, TypeError, "catalog: timeout takes seconds as a number"),
        ({"timeout": (1, 2)}, TypeError, "timeout takes seconds"),
        ({"timeout": 0}, ValueError, "timeout takes a positive number"),
        ({"attempt_timeout": -1}, ValueError, "attempt_timeout takes a positive number"),
        ({"max_response_bytes": 0}, ValueError, "max_response_bytes is a positive number of bytes"),
        ({"max_response_bytes": True}, ValueError, "max_response_bytes is a positive number of bytes"),
        ({"headers": {"Host": "x"}}, ValueError, "Host belongs to the connection"),
        ({"headers": [("a", "b")]}, TypeError, "headers are a mapping"),
        ({"forward_headers": "cookie"}, TypeError, "forward_headers is a collection of names"),
        ({"forward_headers": ["Connection"]}, ValueError, "never passed on"),
        ({"auth": ("user", "password")}, TypeError, "auth is a callable"),
        ({"retry": 2}, TypeError, r"retry takes Retry\(...\) or None, not 2"),
        ({"verify": False}, TypeError, "a transport that is made already takes no verify="),
        ({"retires": 2}, TypeError, "retires"),
    ],
)
def test_misuse_is_refused_when_declared(options, error, message):
    with pytest.raises(error, match=message):
        upstream(**options)


@pytest.mark.parametrize("name", ["", None, 7])
def test_upstream_needs_a_name(name):
    with pytest.raises(TypeError, match="an upstream's name"):
        Upstream(name, "http://a", transport=Fake())


@pytest.mark.parametrize("choice", ["httpx", Fake, 7, object()])
def test_transport_that_is_none_is_refused(choice):
    with pytest.raises(TypeError, match=r"transport is None, 'requests', a requests.Session or a Transport"):
        Upstream("a", "http://a", transport=choice)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"timeout": (1, 2)}, TypeError, "timeout takes seconds"),
        ({"timeout": 0}, ValueError, "timeout takes a positive number"),
        ({"json": {}, "data": b""}, TypeError, "not both"),
        ({"retires": 1}, TypeError, "no option is called 'retires'; the policies are retry"),
        ({"retry": 1}, TypeError, "retry takes Retry"),
        ({"allow_redirects": True}, TypeError, "no option is called 'allow_redirects'"),
        ({"max_response_bytes": "1"}, ValueError, "max_response_bytes"),
        ({"forward_headers": "x"}, TypeError, "collection of names"),
    ],
)
def test_misuse_of_a_call_is_refused_before_it_is_sent(call, error, message):
    catalog, fake = upstream()
    with pytest.raises(error, match=message):
        catalog.post("/x", **call)
    assert fake.seen == []


def test_method_that_is_none_is_refused():
    catalog, fake = upstream()
    with pytest.raises(InvalidValue, match="a method consists of letters"):
        catalog.request("GET /evil", "/x")
    assert fake.seen == []


@pytest.mark.parametrize("call", [{}, {"params": {"a": 1}}])
def test_who_overrides_request_is_asked_whatever_the_method(call):
    class Signed(Upstream):
        def request(self, method, path, **call):
            asked.append((method, path))

    asked, upstream = [], Signed("shop", "http://shop.test")
    for method in ("get", "head", "delete"):
        getattr(upstream, method)("/a", **call)
    assert asked == [("GET", "/a"), ("HEAD", "/a"), ("DELETE", "/a")]
