"""`fastdag explain`: what a request would lead to; nobody is asked."""

import sys

import pytest

APP = """
import msgspec

from fastdag import Request

class Input(msgspec.Struct):
    lang: str = "en"

catalog = upstream("catalog", timeout=0.8, cache=Cache(ttl=5))
page = Graph("page")
page.fetch("product", catalog, "/products/{path.id}", params={"lang": "{query.lang}"}, output="product")
page.fetch("seller", catalog, "/sellers", params={"id": "{product.seller}"}, output="seller", optional=True)
page.fetch("tags", catalog, "/tags/{item}", each="product.tags", output="tags")

def build(context):
    return Request("GET", "/built")

page.fetch("built", catalog, build, output="built")

@page.node(output="rare", when=lambda context: False)
def rare(context):
    return 1

app.add_graph("/products/{id:int}", page, query=Input, timeout=0.5)


class Plain:
    def on_get(self, req, resp):
        resp.text = "as it is"


class Own:
    def on_get(self, req, resp):
        resp.media = {"detail": "its own", "errors": "none"}


app.add_route("/plain", Plain())
app.add_route("/own", Own())
"""


@pytest.fixture(autouse=True)
def shop(write):
    write(APP)


def asked():
    return [target for target in sys.modules["shop"].asked if target != "closed"]


def test_calls_come_in_the_order_in_which_they_would_be_made(data):
    found = data("explain", "GET", "/products/42?lang=de")
    assert (found["path"], found["graph"], found["timeout"]) == ("/products/{id:int}", "page", 0.5)
    nodes = {node["id"]: node for node in found["nodes"]}
    assert [(id, node["wave"]) for id, node in nodes.items()] == [
        ("product", 0), ("built", 0), ("rare", 0), ("seller", 1), ("tags", 1),
    ]  # fmt: skip
    assert nodes["product"]["call"]["target"] == "/products/42?lang=de"
    assert nodes["product"]["call"]["cache_key"]
    assert nodes["product"]["timeout"] == 0.5
    assert asked() == []


def test_for_people_it_is_a_table(fastdag):
    lines = fastdag("explain", "GET", "/products/42?lang=de").stdout.splitlines()
    assert lines[0] == "GET /products/{id:int}  page, 0.5 s"
    product, built, rare, seller, tags = (" ".join(line.split()) for line in lines[2:])
    assert product.startswith("0 product catalog: GET /products/42?lang=de 0.5 s 2, each 0.5 s ")
    assert "catalog: as build() says" in built
    assert "only if when= says so" in rare
    assert seller.startswith("1 seller catalog: GET /sellers?id={product.seller} product")
    assert "may fail" in seller
    assert "catalog: GET /tags/{item} for each of product.tags" in tags


def test_two_requests_for_one_thing_have_one_cache_key(data):
    def key(*request):
        return data("explain", "GET", *request)["nodes"][0]["call"]["cache_key"]

    assert key("/products/42?lang=de") == key("/products/42?lang=de")
    assert key("/products/42?lang=de") != key("/products/42?lang=en")


def test_only_what_the_client_asks_for_is_explained(data):
    found = data("explain", "GET", "/products/42?fields=seller")
    assert [node["id"] for node in found["nodes"]] == ["product", "seller"]


def test_a_call_that_cannot_be_made_is_told(write, fastdag):
    write(APP.replace('"/products/{path.id}"', '"/products/{path.sku}"'), "typo")
    assert "{path.sku} has no value" in fastdag("explain", "GET", "/products/42", app="typo").stdout


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (("GET", "/nowhere"), "GET /nowhere is answered 404 by no graph"),
        (("GET", "/livez"), "GET /livez is answered 200 by no graph"),
        (("GET", "/plain"), "GET /plain is answered 200 by no graph"),
        (("GET", "/own"), "GET /own is answered 200 by no graph\nits own\n"),
        (("POST", "/products/42"), "POST /products/42 is answered 405 by no graph"),
        (("GET", "/products/42?fields=nothing"), "There is no 'nothing' to ask for."),
        (("GET", "/products/42?lang=1&lang=2"), "is answered 422 by no graph"),
    ],
)
def test_a_request_that_reaches_no_graph_is_told_with_its_answer(fastdag, request_, said):
    result = fastdag("explain", *request_)
    assert result.exit_code == 2
    assert said in result.stderr
    assert asked() == []
