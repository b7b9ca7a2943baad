"""`fastdag call`: one request through the app, and where its time went."""

import json

import pytest

APP = """
import falcon

catalog = upstream("catalog")
page = Graph("page")
page.fetch("product", catalog, "/products/{path.id}", output="product")
page.fetch("seller", catalog, "/sellers/{product.seller}", output="seller", optional=True)
page.fetch("reviews", catalog, "/reviews/{path.id}", optional=True)

@page.node(output="stars", fallback=[])
def stars(context, reviews):
    return reviews

app.add_graph("/products/{id:int}", page)

echo = Graph("echo", body="said")

@echo.node
def said(context):
    return {"json": context.json, "lang": context.headers.get("accept-language"), "query": context.query}

app.add_graph("/echo", echo, methods=("GET", "POST"))
app.add_graph("/stream/{id:int}", page, stream=True)


class Plain:
    def on_get(self, req, resp):
        resp.text = "as it is\\n"

app.add_route("/plain", Plain())
"""


@pytest.fixture(autouse=True)
def shop(write):
    write(APP)


def test_the_body_goes_out_by_itself_and_all_else_beside_it(fastdag):
    result = fastdag("call", "GET", "/products/42")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "product": {"id": 42, "seller": 7},
        "seller": {"name": "Ada"},
        "stars": [],
    }
    head, waterfall = result.stderr.split("\n\n\n")
    assert head.splitlines()[0] == "200"
    assert "fastdag-missing: reviews;reason=status, stars;reason=dependency;fallback" in head
    assert waterfall.startswith("page, ")


def test_every_node_and_call_has_a_line_with_its_time_and_its_end(fastdag):
    waterfall = fastdag("call", "GET", "/products/42").stderr.split("\n\n\n")[1]
    lines = [line.split() for line in waterfall.splitlines()[1:]]
    assert [line[0] for line in lines] == [
        "NODE", "product", "catalog:", "seller", "catalog:", "reviews", "catalog:", "stars",
    ]  # fmt: skip
    assert lines[2][1:3] == ["GET", "/products/42"]
    assert "200" in lines[2]
    assert set(lines[1][1]) == {"━"}
    assert "404" in lines[6]
    assert lines[7] == ["stars", "fallback", "(dependency)"]


def test_as_data_it_is_all_in_one(data):
    found = data("call", "GET", "/products/42")
    assert (found["status"], found["graph"]) == (200, "page")
    assert ["fastdag-complete", "false"] in found["headers"]
    assert found["body"]["seller"] == {"name": "Ada"}
    nodes = {node["node"]: node for node in found["nodes"]}
    assert [(id, node["state"], node["reason"]) for id, node in nodes.items()] == [
        ("product", "ok", ""),
        ("seller", "ok", ""),
        ("reviews", "failed", "status"),
        ("stars", "fallback", "dependency"),
    ]
    assert nodes["stars"]["started"] is None
    assert 0 <= nodes["product"]["started"] <= nodes["seller"]["started"] <= found["elapsed"]
    assert nodes["product"]["cost"] > 0
    assert {(call["node"], call["path"], call["status"]) for call in found["calls"]} == {
        ("product", "/products/42", 200),
        ("seller", "/sellers/7", 200),
        ("reviews", "/reviews/42", 404),
    }


def test_what_happened_besides_is_told(write, data, fastdag):
    write(APP.replace('upstream("catalog")', 'upstream("catalog", cache=Cache(ttl=5))'), "cached")
    assert "cache.miss" in {event["name"] for event in data("call", "GET", "/products/42", app="cached")["events"]}
    assert "cache.miss after" in fastdag("call", "GET", "/products/42", app="cached").stderr


def test_headers_query_and_body_arrive(data):
    found = data("call", "post", "/echo?a=1&b=%C3%A9", "-H", "Accept-Language: de", "-d", '{"n": 1}')
    assert found["body"] == {"json": {"n": 1}, "lang": "de", "query": {"a": "1", "b": "é"}}


def test_a_body_can_be_a_file(place, data):
    (place / "body.json").write_text("[1, 2]")
    assert data("call", "POST", "/echo", "-d", "@body.json")["body"]["json"] == [1, 2]


def test_a_header_can_say_that_the_body_is_no_json(data):
    found = data("call", "POST", "/echo", "-d", "text", "-H", "Content-Type: text/plain")
    assert (found["status"], found["body"]["json"]) == (200, None)


def test_an_answer_in_frames_is_taken_whole(fastdag):
    result = fastdag("call", "GET", "/stream/42", "-H", "Accept: application/x-ndjson")
    frames = [json.loads(line) for line in result.stdout.splitlines() if line]
    assert len(frames) == 4
    assert "seller" in result.stderr.split("\n\n\n")[1]


def test_a_status_from_400_on_is_the_exit_code(fastdag):
    assert fastdag("call", "GET", "/products/7").exit_code == 1
    assert fastdag("call", "GET", "/nowhere").exit_code == 1


def test_where_no_graph_answers_there_is_no_waterfall(fastdag, data):
    result = fastdag("call", "GET", "/plain")
    assert result.stdout == "as it is\n\n"  # its own line end, and the command's
    assert "NODE" not in result.stderr
    assert data("call", "GET", "/plain")["graph"] is None


def test_the_app_is_started_and_stopped(write, fastdag):
    write(APP + "app = App(on_start=lambda: print('started'), on_stop=lambda: print('stopped'))\n", "hooked")
    lines = fastdag("call", "GET", "/livez", app="hooked").stderr.splitlines()
    assert not {"started", "stopped"} & set(lines)  # `/livez` answers before anything is started
    lines = fastdag("call", "GET", "/readyz", app="hooked").stderr.splitlines()
    assert lines[:2] == ["started", "stopped"]


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("GET", "products/42"), "begin it with a slash: /products/42"),
        (("GET", "http://shop/x"), "begin it with a slash"),
        (("GET", "/x", "-H", "Accept"), "write it like -H 'Accept-Language: de'"),
        (("POST", "/x", "-d", "@nowhere.json"), "-d @file sends a file"),
    ],
)
def test_what_makes_no_request_is_refused_with_what_would(fastdag, arguments, fix):
    result = fastdag("call", *arguments)
    assert result.exit_code == 2
    assert fix in result.stderr


@pytest.mark.parametrize("header", ["X: a\r\nB: c", "X: a\nB: c", "X\x00: a", "X: \x7f"])
def test_a_header_with_a_line_break_or_a_control_character_is_refused(fastdag, header):
    result = fastdag("call", "GET", "/echo", "-H", header)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no header: there is a line break or control character in it" in result.stderr


def test_a_header_may_hold_a_tab_and_what_is_no_ascii(data):
    assert data("call", "GET", "/echo", "-H", "Accept-Language: d\te\u00e9\u00a0")["status"] == 200


def test_an_app_that_ends_the_process_when_it_starts(write, fastdag):
    write("import sys\napp = App(on_start=lambda: sys.exit('no TOKEN'))\n")
    result = fastdag("call", "GET", "/readyz")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the app ended its process when it was asked GET /readyz: SystemExit: no TOKEN" in result.stderr
