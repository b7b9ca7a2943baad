"""One call per element: order, keys, bounds, equal elements, and what an element's failure does."""

import contextvars

import gevent
import pytest

from fastdag import Graph, GraphError, NodeError, UpstreamTooLarge


def over(elements, **options):
    """A graph that runs a function over some elements; the decorator returns the graph."""

    def declare(function):
        graph = Graph("page")
        graph.node(id="search", output=False)(lambda context: {"items": elements})
        graph.node(id="found", output="found", each="search.items", **options)(function)
        return graph

    return declare


def test_results_keep_the_order_of_the_elements_whatever_ends_first():
    @over([3, 1, 2])
    def graph(context, item):
        gevent.sleep(item / 100)
        return item * 10

    assert graph.run().merged == {"found": [30, 10, 20]}


def test_a_mapping_gives_a_mapping_with_its_keys_in_order():
    @over({"b": 2, "a": 1})
    def graph(context, item, key):
        return f"{key}{item}"

    assert list(graph.run().merged["found"].items()) == [("b", "b2"), ("a", "a1")]


def test_index_is_the_place_in_the_list():
    @over(["x", "y"])
    def graph(context, item, index):
        return (index, item)

    assert graph.run().merged["found"] == [(0, "x"), (1, "y")]


def test_elements_wait_at_the_same_time_but_never_more_than_concurrency():
    now, most = [0], [0]

    @over(list(range(10)), concurrency=4)
    def graph(context, item):
        now[0] += 1
        most[0] = max(most[0], now[0])
        gevent.sleep(0.005)
        now[0] -= 1

    graph.run()
    assert most == [4]


def test_equal_elements_are_asked_for_once():
    asked = []

    @over([{"id": 1}, {"id": 2}, {"id": 1}, {"id": 1}])
    def graph(context, item):
        asked.append(item["id"])
        return item["id"]

    assert graph.run().merged["found"] == [1, 2, 1, 1]
    assert asked == [1, 2]


def test_one_true_and_one_point_zero_are_three_elements():
    @over([1, True, 1.0])
    def graph(context, item):
        return repr(item)

    assert graph.run().merged["found"] == ["1", "True", "1.0"]


def test_a_function_that_takes_the_index_is_called_for_every_element():
    @over(["x", "x"])
    def graph(context, item, index):
        return index

    assert graph.run().merged["found"] == [0, 1]


def test_more_than_max_items_is_too_large_and_nothing_is_called():
    called = []

    @over(list(range(101)))
    def graph(context, item):
        called.append(item)

    with pytest.raises(NodeError) as caught:
        graph.run()
    assert caught.value.reason == "too_large"
    assert isinstance(caught.value.__cause__, UpstreamTooLarge)
    assert called == []


def test_no_elements_give_an_empty_list():
    @over([])
    def graph(context, item):
        raise AssertionError("there is nothing to call it for")

    assert graph.run().merged == {"found": []}


@pytest.mark.parametrize(("value", "reason"), [(None, "dependency"), ("text", "decode"), (7, "decode")])
def test_what_is_no_list_fails_the_node(value, reason):
    @over(value)
    def graph(context, item):
        return item

    with pytest.raises(NodeError) as caught:
        graph.run()
    assert (caught.value.node_id, caught.value.reason) == ("found", reason)


def test_a_path_that_leads_nowhere_fails_with_dependency():
    graph = Graph("page")
    graph.node(id="search")(lambda context: {})
    graph.node(id="found", each="search.items")(lambda context, item: item)
    with pytest.raises(NodeError) as caught:
        graph.run()
    assert caught.value.reason == "dependency"


def test_other_parents_reach_every_element():
    graph = Graph("page")
    graph.node(id="search")(lambda context: [1, 2])
    graph.node(id="factor")(lambda context: 10)
    graph.node(id="found", each="search")(lambda context, item, factor=1: item * factor)
    assert graph.run().merged == {"found": [10, 20]}


def test_fail_raises_the_first_elements_error_and_interrupts_the_rest():
    interrupted = []

    @over([3, 0, 2])
    def graph(context, item):
        try:
            gevent.sleep(item)
            return 1 / item
        except gevent.GreenletExit:
            interrupted.append(item)
            raise

    with pytest.raises(NodeError) as caught:
        graph.run(timeout=1)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert sorted(interrupted) == [2, 3]


@pytest.mark.parametrize(("how", "expected"), [("drop", [1.0, 0.5]), ("null", [1.0, None, 0.5])])
def test_drop_and_null_go_on_and_leave_the_run_incomplete(how, expected):
    @over([1, 0, 2], on_item_error=how)
    def graph(context, item):
        return 1 / item

    result = graph.run()
    assert result.merged["found"] == expected
    assert not result.complete
    assert result.outcomes["found"].state == "ok"
    assert result.outcomes["found"].reason == "exception"


def test_drop_without_an_error_leaves_the_run_complete():
    @over([1, 2], on_item_error="drop")
    def graph(context, item):
        return item

    assert graph.run().complete


def test_drop_takes_an_elements_equals_along():
    @over([0, 1, 0], on_item_error="drop")
    def graph(context, item):
        return 1 / item

    assert graph.run().merged["found"] == [1.0]


def test_timeout_covers_the_whole_node_and_every_element_is_interrupted():
    ended = []

    @over([1, 2, 3], timeout=0.05, optional=True)
    def graph(context, item):
        try:
            gevent.sleep(5)
        finally:
            ended.append(item)

    result = graph.run()
    assert result.outcomes["found"].reason == "timeout"
    assert sorted(ended) == [1, 2, 3]


def test_each_element_has_its_own_copy_of_the_contextvars():
    variable = contextvars.ContextVar("variable", default="outside")

    @over([1, 2, 3])
    def graph(context, item):
        seen = variable.get()
        variable.set(f"element {item}")
        gevent.sleep(0.001)
        return seen, variable.get()

    assert graph.run().merged["found"] == [("outside", f"element {item}") for item in (1, 2, 3)]


def test_long_pure_elements_let_the_loop_turn():
    beats = []

    def beat():
        while True:
            beats.append(None)
            gevent.sleep(0.005)

    @over(list(range(100)))
    def graph(context, item):
        sum(range(100_000))

    heart = gevent.spawn(beat)
    graph.run()
    heart.kill()
    assert len(beats) > 5


def test_an_unknown_source_is_refused_when_compiled():
    graph = Graph("page")
    graph.node(id="search")(lambda context: [])
    graph.node(id="found", each="serach.items")(lambda context, item: item)
    with pytest.raises(GraphError, match="wants 'serach', which nothing provides; did you mean 'search'"):
        graph.compile()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"each": ""}, "names a parent or a path"),
        ({"each": "a..b"}, "names a parent or a path"),
        ({"each": "a", "concurrency": 0}, "concurrency= takes a number from 1"),
        ({"each": "a", "max_items": True}, "max_items= takes a number from 1"),
        ({"each": "a", "on_item_error": "ignore"}, "on_item_error= takes"),
        ({"concurrency": 3}, "concurrency= goes with each="),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Graph("page").node(id="found", **options)(lambda context, item: item)


def test_positional_only_parameters_cannot_be_given_per_element():
    def function(context, item, /):
        return item

    with pytest.raises(GraphError, match="make none positional-only"):
        Graph("page").node(each="search")(function)
