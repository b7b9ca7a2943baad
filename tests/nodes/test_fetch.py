"""Fetch nodes in graphs, above a transport that is a fake: what is asked, and what the answer is to the graph."""

import msgspec
import pytest

from fastdag.context import Context
from fastdag.errors import (
    GraphError,
    InvalidValue,
    MissingValue,
    NodeError,
    Relayed,
    UpstreamDecodeError,
    UpstreamStatusError,
)
from fastdag.graph import Graph
from fastdag.nodes.fetch import FetchNode
from fastdag.upstream.call import Headers, Request, Response
from fastdag.upstream.client import Upstream


class Fake:
    """Answers by path: a value as JSON, or a `Response`; notes every call."""

    def __init__(self, **answers):
        self.answers = {f"/{path}": answer for path, answer in answers.items()}
        self.seen = []

    def send(self, call):
        self.seen.append(call.again())
        answer = self.answers.get(call.target.partition("?")[0], {})
        return answer if isinstance(answer, Response) else Response(200, Headers(), msgspec.json.encode(answer))

    def close(self):
        pass


def status(code, content=b"{}", *headers):
    return Response(code, Headers(headers), content)


def fetching(fake, path="/x", graph=None, upstream=None, **options):
    graph = graph or Graph("page")
    graph.fetch("x", upstream or Upstream("up", "http://up", transport=fake, retry=None), path, **options)
    return graph


def failure(graph, context=None):
    with pytest.raises(NodeError) as caught:
        graph.run(context if context is not None else Context())
    return caught.value


def sent_headers(fake):
    return {name.lower(): value for name, value in fake.seen[-1].headers}


def test_root_sees_the_request_and_children_see_their_parents():
    fake = Fake(product={"seller": {"id": 7}, "tags": ["a", "b"]})
    graph = Graph("page")
    up = Upstream("up", "http://up", transport=fake)
    graph.fetch("product", up, "/product", params={"id": "{path.id}", "lang": "{query.lang?}"})
    graph.fetch("seller", up, "/sellers/{product.seller.id}/{product.tags.1}", params={"tag": "{product.tags}"})
    graph.run(Context(path={"id": "4 2"}))
    assert [call.target for call in fake.seen] == ["/product?id=4%202", "/sellers/7/b?tag=a&tag=b"]


@pytest.mark.parametrize("hostile", ["..", ".", "", "\0", "\r\nX: 1", "a\x7f"])
def test_value_that_is_no_segment_never_leaves(hostile):
    # FAULTS M01
    fake = Fake()
    error = failure(fetching(fake, "/products/{path.id}"), Context(path={"id": hostile}))
    assert error.reason == "invalid"
    assert isinstance(error.__cause__, InvalidValue)
    assert fake.seen == []


@pytest.mark.parametrize(
    "hostile", ["%2e%2e", "..%2fadmin", "a/../../admin", "..;/x", "x?y=1", "x#y", "x\\y", "//evil"]
)
def test_value_is_one_segment_whatever_it_holds(hostile):
    fake = Fake()
    fetching(fake, "/products/{path.id}/price").run(Context(path={"id": hostile}))
    target = fake.seen[0].target
    assert target.startswith("/products/")
    assert target.endswith("/price")
    assert (target.count("/"), target.count("?"), target.count("#")) == (3, 0, 0)


@pytest.mark.parametrize("hostile", ["a\r\nX-Admin: 1", "a\0b", "\u20ac"])
def test_header_value_that_no_header_can_carry_never_leaves(hostile):
    # FAULTS M03
    fake = Fake()
    error = failure(fetching(fake, headers={"X-Q": "q={query.q}"}), Context(query={"q": hostile}))
    assert error.reason == "invalid"
    assert fake.seen == []


def test_control_characters_in_a_query_never_leave_and_the_rest_is_encoded():
    fake = Fake()
    graph = fetching(fake, params={"q": "{query.q}"})
    assert failure(graph, Context(query={"q": "a\r\nb"})).reason == "invalid"
    graph.run(Context(query={"q": "\u20ac&admin=1#"}))
    assert [call.target for call in fake.seen] == ["/x?q=%E2%82%AC%26admin%3D1%23"]


def test_absent_reference_fails_the_node_with_dependency():
    fake = Fake()
    error = failure(fetching(fake, params={"q": "{query.q}"}))
    assert error.reason == "dependency"
    assert isinstance(error.__cause__, MissingValue)
    assert "{query.q} has no value" in str(error)


def test_parent_without_which_it_can_do_may_fail():
    fake = Fake(flag=status(500))
    up = Upstream("up", "http://up", transport=fake, retry=None)
    graph = Graph("page")
    graph.fetch("flag", up, "/flag", optional=True)
    fetching(fake, graph=graph, upstream=up, params={"flag": "{flag.on?}", "a": "1"})
    graph.run(Context())
    assert fake.seen[-1].target == "/x?a=1"


def test_json_keeps_types_and_writes_null_for_what_is_absent():
    fake = Fake()
    template = {"items": "{json.items}", "n": "{json.items.0}", "text": "no {json.items.0}", "note": "{json.note?}"}
    fetching(fake, method="post", json=template).run(Context(json={"items": [1, 2]}))
    assert fake.seen[0].method == "POST"
    assert fake.seen[0].body == b'{"items":[1,2],"n":1,"text":"no 1","note":null}'
    assert sent_headers(fake)["content-type"] == "application/json"
    assert not fake.seen[0].idempotent


def test_nan_from_another_node_does_not_leave():
    fake = Fake()
    graph = fetching(fake, method="POST", json={"price": "{price}"})

    @graph.node
    def price(context):
        return float("nan")

    assert failure(graph).reason == "invalid"
    assert fake.seen == []


def test_data_passes_bytes_through_or_makes_a_form():
    fake = Fake()
    fetching(fake, method="PUT", data="{body}", headers={"Content-Type": "image/png"}).run(Context(body=b"\x89\0"))
    assert (fake.seen[-1].body, sent_headers(fake)["content-type"]) == (b"\x89\0", "image/png")
    fetching(fake, method="POST", data={"q": "{query.q}"}, idempotent=True).run(Context(query={"q": ["a b", "&"]}))
    assert fake.seen[-1].body == b"q=a+b&q=%26"
    assert fake.seen[-1].idempotent


def test_any_value_can_be_the_context():
    fake = Fake()
    graph = fetching(fake, "/x/{path.id}", headers={"X-T": "{headers.X-Tenant?}", "X-U": "{state.user}"})
    graph.run({"path": {"id": 1}, "headers": {"X-Tenant": "t"}, "state": {"user": "u"}})
    assert fake.seen[0].target == "/x/1"
    assert (sent_headers(fake)["x-t"], sent_headers(fake)["x-u"]) == ("t", "u")


def test_forwards_only_what_is_named():
    fake = Fake()
    context = Context(headers={"accept-language": "de", "cookie": "c", "authorization": "a"})
    fetching(fake, forward_headers=["Accept-Language"]).run(context)
    assert sent_headers(fake)["accept-language"] == "de"
    assert not {"cookie", "authorization"} & set(sent_headers(fake))


def test_function_builds_the_request_from_its_parents():
    fake = Fake(user={"id": 3})
    up = Upstream("up", "http://up", transport=fake, retry=None)
    graph = Graph("page")
    graph.fetch("user", up, "/user")
    graph.fetch("broken", up, "/broken", optional=True, ok=201)

    def build(context, user, *, broken=None):
        return Request("POST", f"/orders/{user['id']}", params={"b": broken}, headers={"X-A": 1}, json=context.json)

    graph.fetch("order", up, build, idempotent=True)
    graph.run(Context(json={"n": 1}))
    call = fake.seen[-1]
    assert (call.method, call.target, call.body, call.idempotent) == ("POST", "/orders/3", b'{"n":1}', True)
    assert sent_headers(fake)["x-a"] == "1"


@pytest.mark.parametrize(
    "build", [lambda: Request("GET", "/y"), lambda *, context: Request("GET", f"/{context.method}")]
)
def test_function_need_not_take_the_context_first(build):
    fake = Fake()
    fetching(fake, build).run(Context(method="y"))
    assert fake.seen[0].target == "/y"


def test_function_that_returns_no_request_is_a_bug():
    error = failure(fetching(Fake(), lambda context: "/x"))
    assert error.reason == "exception"
    assert "x: the function that builds the request returned '/x', no Request" in str(error.__cause__)


@pytest.mark.parametrize("code", [404, 500, 302])
def test_status_outside_ok_is_a_failure(code):
    error = failure(fetching(Fake(x=status(code, b"secret", ("Retry-After", "7"))))).__cause__
    assert isinstance(error, UpstreamStatusError)
    assert (error.status, error.retry_after, error.upstream, error.reason) == (code, 7.0, "up", "status")
    assert "secret" not in str(error)


def test_ok_may_be_other_statuses():
    assert fetching(Fake(x=status(404, b'{"a":1}')), ok=(200, 404), output=True).run(Context()).merged == {"a": 1}
    assert failure(fetching(Fake(x=status(200)), ok=201)).reason == "status"


def test_empty_on_a_status_is_none_and_complete():
    result = fetching(Fake(x=status(404, b"<html>")), empty_on=404, output="x").run(Context())
    assert (result.node_data, result.merged, result.complete) == ({"x": None}, {"x": None}, True)


def test_relayed_status_carries_the_answer():
    answer = status(404, b"gone")
    error = failure(fetching(Fake(x=answer), relay=(404, 410))).__cause__
    assert isinstance(error, Relayed)
    assert (error.status, error.response.content) == (404, b"gone")


def test_no_content_is_none():
    assert fetching(Fake(x=status(204, b""))).run(Context()).node_data == {"x": None}


class Product(msgspec.Struct):
    id: int


@pytest.mark.parametrize(
    ("decode", "content", "data"),
    [
        ("json", b"[1]", [1]),
        ("text", "ä".encode(), "ä"),
        ("bytes", b"\xff", b"\xff"),
        (lambda response: response.status_code, b"", 200),
    ],
)
def test_decodes(decode, content, data):
    graph = fetching(Fake(x=status(200, content)), decode=decode, output="x")
    assert graph.run(Context()).node_data == {"x": data}


def test_json_can_have_a_type():
    assert fetching(Fake(x={"id": 3}), type=Product).run(Context()).node_data == {"x": Product(3)}
    assert fetching(Fake(x=[{"id": 3}]), type=list[Product], output="x").run(Context()).node_data == {
        "x": [Product(3)]
    }
    assert failure(fetching(Fake(x={"id": "3"}), type=Product)).reason == "decode"


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1,2", b"NaN", b'"\xff"', b"[" * 100_000])
def test_body_that_is_no_json_is_the_upstreams_fault(content):
    # FAULTS U20, U54, U55
    error = failure(fetching(Fake(x=status(200, content))))
    assert error.reason == "decode"
    assert error.__cause__.upstream == "up"


def test_function_that_cannot_decode_is_a_decode_error():
    error = failure(fetching(Fake(x=status(200, b"x")), decode=lambda response: int(response.text)))
    assert error.reason == "decode"
    assert isinstance(error.__cause__, UpstreamDecodeError)
    assert isinstance(error.__cause__.__cause__, ValueError)


def test_headers_come_back_only_where_they_are_named_and_clean():
    # FAULTS M04
    found = [("X-Total", "3"), ("X-Total", "4"), ("X-Bad", "a\r\nSet-Cookie: e"), ("Set-Cookie", "sid=A")]
    context = Context()
    fetching(Fake(x=status(200, b"{}", *found)), return_headers={"X-Total": "append", "X-Bad": "last"}).run(context)
    added = [entry for parts in context.parts.values() for entry in parts.added]
    assert added == [("X-Total", "3", "append"), ("X-Total", "4", "append")]


def test_headers_do_not_come_back_to_a_context_that_takes_none():
    answer = status(200, b"{}", ("X-Total", "3"))
    assert fetching(Fake(x=answer), return_headers={"X-Total": "last"}).run({}).node_data == {"x": {}}


def test_policies_and_timeout_hold_for_this_call():
    fake = Fake(x=status(503))
    up = Upstream("up", "http://up", transport=fake)
    fetching(fake, upstream=up, retry=None, timeout=0.7, ok=503).run(Context())
    assert len(fake.seen) == 1
    assert fake.seen[0].timeout == 0.7
    fake.seen.clear()
    graph = fetching(fake, upstream=up, retry=None, ok=503)
    graph["x"].timeout = 0.6
    graph.run(Context())
    assert [call.timeout for call in fake.seen] == [0.6]
    fetching(fake, lambda context: Request("GET", "/x"), upstream=up, breaker=None, retry=None, ok=503).run(Context())
    assert len(fake.seen) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"path": "x"}, GraphError, "x: path 'x': a path starts with '/'"),
        ({"path": "/{a.b?}"}, GraphError, "x: path '/{a.b?}': no part of a path is optional"),
        ({"params": {"a": "{"}}, GraphError, "x: params['a'] '{': has a single '{'; write '{{' for a brace"),
        ({"json": {"a": ["{}"]}}, GraphError, "x: json['a'][0] '{}': {} is no reference"),
        ({"data": '{"a": 1}'}, GraphError, 'x: data \'{"a": 1}\': {"a": 1} is no reference; write it like {path.id}'),
        ({"headers": {"Host": "x"}}, GraphError, "x: headers: Host belongs to the connection"),
        ({"headers": {"X-A": "a\nb"}}, GraphError, "x: headers: the value for X-A holds a character"),
        ({"params": {"a": {}}}, GraphError, "x: params: {} cannot be sent as text"),
        ({"params": "a=1"}, TypeError, "x: params is a mapping or a list of pairs, not 'a=1'"),
        ({"json": float("nan")}, GraphError, "x: json: NaN and infinities have no place in JSON"),
        ({"data": iter([b""])}, GraphError, "x: data: an iterable can be sent only once"),
        ({"json": {}, "data": b""}, GraphError, "x: a call has one body; give json= or data=, not both"),
        ({"method": "GET /"}, ValueError, "x: method consists of letters"),
        ({"method": "HEAD"}, GraphError, "x: a HEAD answer has no body; give decode="),
        ({"ok": 99}, GraphError, "x: ok is a status from 200 to 599 or a collection of them, not 99"),
        ({"ok": ()}, GraphError, "x: ok is a status"),
        ({"relay": "404"}, GraphError, "x: relay is a status"),
        ({"empty_on": None}, GraphError, "x: empty_on is a status"),
        ({"empty_on": 404, "relay": [404, 410]}, GraphError, "x: empty_on and relay both name [404]"),
        ({"decode": "xml"}, GraphError, "x: decode is 'json', 'text', 'bytes' or a function"),
        ({"decode": "text", "type": int}, GraphError, "x: type= converts JSON, so it needs decode='json'"),
        ({"forward_headers": "cookie"}, TypeError, "x: forward_headers is a collection of names"),
        ({"return_headers": {"X-A": "all"}}, GraphError, "x: return_headers maps names to 'first', 'last', 'append'"),
        ({"return_headers": ["X-A"]}, GraphError, "x: return_headers maps names"),
        ({"return_headers": {"Connection": "last"}}, ValueError, "x: return_headers: Connection belongs to one"),
        ({"retry": 1}, TypeError, "x: retry takes Retry(...) or None, not 1"),
        ({"optionl": True}, TypeError, "x: no option is called 'optionl'; did you mean 'optional'?"),
        ({"upstream": "http://up"}, TypeError, "x: a fetch asks an Upstream, not 'http://up'"),
        ({"path": None}, TypeError, "x: path is a template like '/products/{path.id}' or a function, not None"),
        ({"path": lambda: None, "params": {"a": 1}}, GraphError, "x: a fetch with a function says method, params"),
    ],
)
def test_misuse_is_refused_when_declared(options, error, message):
    upstream = options.pop("upstream", None) or Upstream("up", "http://up", transport=Fake())
    with pytest.raises(error) as caught:
        FetchNode("x", upstream, options.pop("path", "/x"), **options)
    assert str(caught.value).startswith(message)


def test_async_function_cannot_build_a_request():
    async def build(context):
        return Request("GET", "/x")

    with pytest.raises(GraphError, match="x: the function that builds the request is 'async def'"):
        fetching(Fake(), build)


def test_all_problems_of_a_fetch_are_told_at_once():
    with pytest.raises(GraphError) as caught:
        fetching(Fake(), "x", params={"a": "{"}, headers={"X": "}"}, json={"a": "{context.x}"})
    assert len(caught.value.problems) == 4


def test_item_without_a_list_is_refused_when_the_graph_is_compiled():
    with pytest.raises(GraphError, match="wants 'item', which nothing provides"):
        fetching(Fake(), "/x/{item}").compile()


def test_near_name_is_offered_for_a_parent_that_is_not_there():
    graph = fetching(Fake(), "/x/{prodct.id}")

    @graph.node
    def product(context):
        return {}

    with pytest.raises(GraphError, match=r"wants 'prodct', which nothing provides; did you mean 'product'\?"):
        graph.compile()
