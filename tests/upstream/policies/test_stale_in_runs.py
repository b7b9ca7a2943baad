"""An old answer in place of a failure: the node gives it, and the run is not complete."""

import pytest

from fastdag.errors import NodeError, StaleAnswer, UpstreamConnectError
from fastdag.graph import Graph
from fastdag.upstream.client import Upstream
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.retry import Retry

from .scripted import Script, answer


def prices(*ends, **options):
    cache = Cache(**{"ttl": 1e-9, "stale_if_error": 60, **options})
    return Upstream("prices", "http://prices", transport=Script(answer(200, b'{"eur": 5}'), *ends), cache=cache)


def asking(upstream, **options):
    graph = Graph("page")
    graph.fetch("price", upstream, "/prices/7", output="price", **options)
    return graph


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (UpstreamConnectError("refused"), "connect"),
        (answer(500), "status"),
        (answer(200, b"{", content_type="application/json"), "decode"),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_the_node_falls_back_on_it_and_has_the_reason_of_the_failure(end, reason, required):
    graph = asking(prices(end), optional=not required, fallback="never needed")
    assert graph.run().complete
    result = graph.run()
    assert result.merged == {"price": {"eur": 5}}
    assert not result.complete
    found = result.outcomes["price"]
    assert (found.state, found.value, found.reason) == ("fallback", {"eur": 5}, reason)
    assert isinstance(found.error, StaleAnswer)
    assert found.error.upstream == "prices"
    assert found.error.__cause__ is not None


def test_a_fallback_of_the_nodes_own_answers_where_nothing_old_is_kept():
    graph = asking(prices(UpstreamConnectError("refused"), stale_if_error=0), fallback={"eur": None})
    graph.run()
    found = graph.run().outcomes["price"]
    assert (found.state, found.value, found.reason) == ("fallback", {"eur": None}, "connect")
    assert not isinstance(found.error, StaleAnswer)


def test_what_is_refreshed_behind_is_no_failure():
    graph = asking(prices(UpstreamConnectError("refused"), stale_while_revalidate=60))
    graph.run()
    result = graph.run()
    assert result.complete
    assert result.outcomes["price"].state == "ok"


def test_an_old_element_leaves_the_run_incomplete_and_the_others_as_they_are():
    upstream = prices(answer(200, b'{"eur": 6}'), answer(200, b'{"eur": 7}'), UpstreamConnectError("refused"))
    graph = Graph("list")

    @graph.node
    def ids(context):
        return [1, 2]

    graph.fetch("found", upstream, "/prices/{item}", each="ids", output="found", retry=Retry(attempts=1))
    assert graph.run().merged == {"found": [{"eur": 5}, {"eur": 6}]}
    result = graph.run()
    assert result.merged == {"found": [{"eur": 7}, {"eur": 6}]}
    assert result.outcomes["found"].state == "fallback"


def test_a_node_that_refuses_the_old_answer_has_failed():
    graph = asking(
        prices(UpstreamConnectError("refused")), decode=lambda response: 1 / ("age" not in response.headers)
    )
    graph.run()
    with pytest.raises(NodeError) as caught:
        graph.run()
    assert (caught.value.reason, caught.value.result.outcomes["price"].state) == ("decode", "failed")


def test_a_call_outside_of_any_run_is_given_it_too():
    upstream = prices(UpstreamConnectError("refused"))
    upstream.get("/prices/7")
    assert upstream.get("/prices/7").headers["cache-status"].startswith("fastdag; hit; ttl=")


def test_a_node_that_calls_by_itself_is_marked_too():
    upstream = prices(UpstreamConnectError("refused"))
    graph = Graph("page")

    @graph.node(timeout=1)
    def price(context):
        return upstream.get("/prices/7").json()

    assert graph.run().complete
    assert graph.run().outcomes["price"].reason == "connect"


def test_who_watches_is_told_of_the_fallback():
    graph = asking(prices(UpstreamConnectError("refused")))
    graph.run()
    told = []
    graph.instruments.on("node.ended", lambda name, fields: told.append((fields["state"], fields["reason"])))
    graph.run()
    assert told == [("fallback", "connect")]
