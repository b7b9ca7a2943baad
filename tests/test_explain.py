"""What a run would do, without doing it."""

from fastdag import Cache, Graph, Request, Upstream


def test_nodes_come_in_the_order_in_which_they_could_run_and_none_runs():
    graph = Graph("page", timeout=1.5)

    def never(context, *parents):
        raise AssertionError("nothing runs")

    graph.node(id="last")(lambda context, b, c: never(context))
    graph.node(id="b", timeout=0.2, optional=True)(lambda context, a: never(context))
    graph.node(id="c", when=lambda context: True, after="b")(lambda context: never(context))
    graph.node(id="a")(never)
    graph.node(id="spare")(lambda context: never(context))
    graph["a"].fallback = graph["spare"]
    graph.node(id="audit", sink=True)(lambda context, last: never(context))

    explained = graph.compile().explain({"path": {}})

    assert [(each.id, each.wave) for each in explained] == [
        ("a", 0),
        ("b", 1),
        ("spare", 1),
        ("c", 2),
        ("last", 3),
        ("audit", 4),
    ]
    by_id = {each.id: each for each in explained}
    assert by_id["b"].waits_for == ("a",)
    assert (by_id["b"].timeout, by_id["c"].timeout) == (0.2, 1.5)
    assert by_id["b"].optional
    assert by_id["spare"].condition == "only if a fails"
    assert by_id["c"].condition == "only if when= says so"
    assert by_id["audit"].condition == "after the answer"


def test_long_chains_are_explained_without_recursion():
    graph = Graph("chain")
    graph.node(id="n0")(lambda context: 0)
    for number in range(1, 3000):
        graph.node(id=f"n{number}")(eval(f"lambda context, n{number - 1}: 0"))
    assert graph.compile().explain()[-1].wave == 2999


def test_a_fetch_tells_its_call_as_far_as_it_is_known():
    catalog = Upstream("catalog", "http://127.0.0.1:9", timeout=0.8, cache=Cache(ttl=5))
    graph = Graph("page")
    graph.fetch("product", catalog, "/products/{path.id}", params={"lang": "{query.lang?}"})
    graph.fetch("seller", catalog, "/sellers/{product.seller_id}", timeout=0.3)
    graph.fetch("built", catalog, lambda context: Request("GET", "/x"))
    graph.fetch("other", catalog, "/x/{path.nothing}")
    graph.fetch("reviews", catalog, "/reviews/{item}", each="product.reviews")

    explained = {each.id: each.call for each in graph.compile().explain({"path": {"id": "a/b"}, "query": {}})}

    product = explained["product"]
    assert (product["upstream"], product["method"], product["target"]) == ("catalog", "GET", "/products/a%2Fb")
    assert (product["timeout"], product["attempt_timeout"]) == (0.8, 1.0)
    assert product["cache_key"]
    assert explained["seller"]["target"] == "/sellers/{product.seller_id}"
    assert (explained["seller"]["timeout"], explained["seller"]["cache_key"]) == (0.3, None)
    assert callable(explained["built"]["target"])
    assert explained["other"]["problem"] == "{path.nothing} has no value"
    assert (explained["reviews"]["target"], explained["reviews"]["each"]) == ("/reviews/{item}", "product.reviews")


def test_without_a_cache_calls_have_no_key():
    graph = Graph("page")
    graph.fetch("product", Upstream("catalog", "http://127.0.0.1:9"), "/products/1")
    assert graph.compile().explain()[0].call["cache_key"] is None
