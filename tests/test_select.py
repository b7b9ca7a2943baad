"""Only what is asked for runs."""

import gevent
import pytest

from fastdag import Graph
from fastdag.errors import UnknownOutput


class Page:
    """A graph that remembers what ran."""

    def __init__(self):
        self.ran = []
        self.graph = Graph("page")

    def node(self, id, value, *parents, **options):
        arguments = ", ".join(("context", *parents))
        scope = {"ran": self.ran, "value": value, "id": id}
        function = eval(f"lambda {arguments}: (ran.append(id), value)[1]", scope)
        self.graph.node(id=id, **options)(function)
        return self

    def run(self, *outputs):
        self.ran.clear()
        result = self.graph.run(outputs=list(outputs))
        return result.merged, list(self.ran)


@pytest.fixture
def page():
    return (
        Page()
        .node("product", {"name": "tea", "price": {"cents": 5, "tax": 1}})
        .node("seller", {"id": 3, "city": "Ulm"}, "product", output="seller")
        .node("stars", [{"n": 5, "by": "Ann"}], output="stars")
        .node("teaser", {"title": "Tea!", "price": {"cents": 4}}, "product")
    )


def test_a_key_runs_its_node_and_what_that_needs(page):
    assert page.run("seller") == ({"seller": {"id": 3, "city": "Ulm"}}, ["product", "seller"])


def test_an_output_without_parents_runs_alone(page):
    assert page.run("stars") == ({"stars": [{"n": 5, "by": "Ann"}]}, ["stars"])


def test_the_rest_of_a_path_prunes_inside_the_output(page):
    assert page.run("seller.city", "stars.n")[0] == {"seller": {"city": "Ulm"}, "stars": [{"n": 5}]}


def test_a_whole_output_stays_whole_beside_a_path_into_it(page):
    assert page.run("seller.city", "seller")[0] == {"seller": {"id": 3, "city": "Ulm"}}


def test_an_id_means_that_nodes_own_output(page):
    assert page.run("teaser") == ({"title": "Tea!", "price": {"cents": 4}}, ["product", "teaser"])


def test_an_internal_node_can_be_asked_for(page):
    assert page.run("product.name") == ({"name": "tea"}, ["product"])


def test_an_unknown_name_can_come_from_nodes_whose_keys_nobody_knows(page):
    assert page.run("title") == ({"title": "Tea!"}, ["product", "teaser"])


def test_keys_that_options_tell_are_known():
    page = Page().node("a", 1, group="one").node("b", {"x": 1, "y": 2}, pick=["x"])
    assert page.run("one") == ({"one": 1}, ["a"])
    assert page.run("x") == ({"x": 1}, ["b"])
    with pytest.raises(UnknownOutput, match="page has no output 'z'") as caught:
        page.run("z", "x")
    assert caught.value.unknown == ("z",)
    assert caught.value.known == ("a", "b")


def test_unknown_names_come_with_a_hint():
    page = Page().node("a", 1, output="seller")
    with pytest.raises(UnknownOutput, match="did you mean 'seller'"):
        page.run("selller")


def test_a_fallback_node_comes_along_and_an_order_does_not():
    graph = Graph("page")
    ran = []
    graph.node(id="spare")(lambda context: ran.append("spare") or 1)
    graph.node(id="first")(lambda context: ran.append("first"))
    graph.node(id="data", fallback=graph["spare"], after="first")(lambda context: 1 / 0)
    assert graph.run(outputs=["data"]).merged == {"data": 1}
    assert ran == ["spare"]


def test_what_is_one_nodes_data_is_pruned_as_a_whole():
    graph = Graph("list", body="items")
    graph.node(id="items")(lambda context: [{"a": 1, "b": 2}])
    assert graph.run(outputs=["a"]).merged == [{"a": 1}]


def test_the_same_names_use_one_plan_and_a_change_makes_a_new_one(page):
    first = page.graph._select(["seller"])
    assert page.graph._select(["seller"]) is first
    page.node("more", 1)
    assert page.graph._select(["seller"]) is not first


def test_clients_cannot_make_plans_without_end(page):
    for number in range(400):
        page.graph._select([f"seller.x{number}"])
    assert len(page.graph._selections) <= 256


def test_a_string_is_no_list_of_names(page):
    with pytest.raises(TypeError, match="takes a list of names"):
        page.graph.run(outputs="seller")


def test_a_graph_that_is_given_a_body_answers_with_it_the_next_time():
    graph = Graph("page")
    graph.node(id="a")(lambda context: {"name": "tea"})
    graph.node(id="b")(lambda context: {"name": "pot"})
    assert graph.run(outputs=["a"]).merged == {"name": "tea"}
    graph.body = "b"
    assert graph.run(outputs=["name"]).merged == {"name": "pot"}
    assert graph.run(outputs=["a"]).merged == {}


def test_who_asks_for_nothing_gets_it_at_once(page):
    page.node("a", {"x": 1}).graph.timeout = None
    with gevent.Timeout(5):
        assert page.run() == ({}, [])
