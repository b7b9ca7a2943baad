"""Loads from anywhere in a run become one call per group."""

import gevent
import pytest
from gevent.event import Event

from fastdag import Batch, Graph, NodeError


class Loader:
    """Loads keys, and remembers which were asked for together."""

    def __init__(self, answer=lambda key: f"<{key}>", wait=0.0):
        self.calls = []
        self.answer = answer
        self.wait = wait

    def __call__(self, context, keys):
        self.calls.append(keys)
        gevent.sleep(self.wait)
        return {key: self.answer(key) for key in keys}


def test_loads_of_several_nodes_become_one_call():
    loader = Loader()
    users = Batch(loader)
    graph = Graph("page")

    def node(number):
        return lambda context: users.load(number)

    for number in range(5):
        graph.node(id=f"n{number}")(node(number))
    assert graph.run().merged == {f"n{number}": f"<{number}>" for number in range(5)}
    assert loader.calls == [[0, 1, 2, 3, 4]]


def test_a_two_level_load_of_a_hundred_keys_makes_two_calls():
    users = Batch(load_users := Loader(lambda key: {"team": key % 7}))
    teams = Batch(load_teams := Loader(lambda key: f"team {key}"))
    graph = Graph("page")
    graph.node(id="ids")(lambda context: list(range(100)))
    graph.node(id="team", each="ids")(lambda context, item: teams.load(users.load(item)["team"]))
    assert graph.run().merged["team"] == [f"team {number % 7}" for number in range(100)]
    assert [len(keys) for keys in load_users.calls] == [100]
    assert [len(keys) for keys in load_teams.calls] == [7]


def test_a_key_is_asked_for_once_in_a_run_and_again_in_the_next():
    users = Batch(loader := Loader())
    graph = Graph("page")
    graph.node(id="first")(lambda context: users.load(1))
    graph.node(id="second")(lambda context, first: (users.load(1), users.load(2)))
    graph.run()
    assert loader.calls == [[1], [2]]
    graph.run()
    assert loader.calls == [[1], [2], [1], [2]]


def test_more_keys_than_max_size_are_split():
    users = Batch(loader := Loader(), max_size=40)
    graph = Graph("page")
    graph.node(id="all")(lambda context: users.load_all(range(100)))
    assert graph.run().merged["all"] == [f"<{number}>" for number in range(100)]
    assert [len(keys) for keys in loader.calls] == [40, 40, 20]


def test_nodes_that_wait_for_something_else_are_not_waited_for():
    users = Batch(loader := Loader())
    graph, loaded = Graph("page"), Event()

    @graph.node
    def slow(context):
        return loaded.wait(1)

    @graph.node
    def quick(context):
        users.load(1)
        loaded.set()

    assert graph.run().node_data["slow"]
    assert loader.calls == [[1]]


def test_the_error_of_one_key_is_the_error_of_its_loads_only():
    users = Batch(Loader(lambda key: KeyError(key) if key == 2 else key))
    graph = Graph("page")
    graph.node(id="good")(lambda context: users.load(1))
    graph.node(id="bad", optional=True)(lambda context: users.load(2))
    result = graph.run()
    assert result.merged == {"good": 1}
    assert isinstance(result.outcomes["bad"].error, KeyError)


def test_a_load_that_fails_fails_every_load_of_its_call():
    def load_many(context, keys):
        raise ValueError("no luck")

    users = Batch(load_many)
    graph = Graph("page")
    graph.node(id="one", optional=True)(lambda context: users.load(1))
    graph.node(id="two", optional=True)(lambda context: users.load(2))
    result = graph.run()
    assert [str(result.outcomes[id].error) for id in ("one", "two")] == ["no luck", "no luck"]


def test_a_key_that_nothing_came_back_for_is_missing():
    users = Batch(lambda context, keys: {})
    graph = Graph("page")
    graph.node(id="one")(lambda context: users.load(1))
    with pytest.raises(NodeError) as caught:
        graph.run()
    assert caught.value.reason == "dependency"
    assert "brought nothing for 1" in str(caught.value)


@pytest.mark.parametrize("key", ["id", lambda value: value["id"]])
def test_values_in_any_order_are_matched_by_their_own_key(key):
    users = Batch(lambda context, keys: [{"id": k} for k in reversed(keys)], key=key)
    graph = Graph("page")
    graph.node(id="all")(lambda context: users.load_all([1, 2, 3]))
    assert graph.run().merged["all"] == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_a_list_stands_in_the_order_of_the_keys_and_must_be_as_long():
    good = Batch(lambda context, keys: [key * 2 for key in keys])
    short = Batch(lambda context, keys: [])
    graph = Graph("page")
    graph.node(id="all")(lambda context: good.load_all([1, 2]))
    assert graph.run().merged["all"] == [2, 4]
    graph.node(id="bad")(lambda context: short.load(1))
    with pytest.raises(NodeError, match="returned 0 values for 1 keys"):
        graph.run()


def test_a_loader_gets_the_runs_context():
    seen = []

    def load_many(context, keys):
        seen.append(context)
        return keys

    users = Batch(load_many)
    graph = Graph("page")
    graph.node(id="one")(lambda context: users.load(1))
    graph.run({"user": "ann"})
    assert seen == [{"user": "ann"}]


def test_two_runs_at_once_share_no_batch():
    users = Batch(loader := Loader(wait=0.01))
    graph = Graph("page")
    graph.node(id="one")(lambda context: users.load(context))
    jobs = [gevent.spawn(graph.run, number) for number in range(3)]
    gevent.joinall(jobs)
    assert [job.value.merged["one"] for job in jobs] == ["<0>", "<1>", "<2>"]
    assert sorted(loader.calls) == [[0], [1], [2]]


def test_a_loader_that_hangs_ends_with_the_run():
    users = Batch(lambda context, keys: gevent.sleep(60))
    graph = Graph("page")
    graph.node(id="one")(lambda context: users.load(1))
    with pytest.raises(NodeError) as caught:
        graph.run(timeout=0.05)
    assert caught.value.reason == "timeout"


def test_outside_a_run_there_is_nothing_to_gather():
    with pytest.raises(RuntimeError, match="call load inside a node"):
        Batch(lambda context, keys: keys).load(1)


@pytest.mark.parametrize(("arguments", "message"), [((7,), "takes a function"), ((len, 0), "max_size=")])
def test_misuse_is_refused(arguments, message):
    function, *size = arguments
    with pytest.raises(TypeError, match=message):
        Batch(function, **({"max_size": size[0]} if size else {}))
