"""Choosing parts of a node's data by dotted paths."""

import copy

import msgspec
import pytest

from fastdag import Graph, GraphError
from fastdag.shape.fields import compile_shape, tree

DATA = {
    "id": 7,
    "name": "tea",
    "seller": {"id": 1, "name": "Ann", "secret": "x"},
    "offers": [{"cents": 5, "to": {"x": 1, "y": 2}}, {"cents": 6}],
}


def shaped(value=DATA, **options):
    before = copy.deepcopy(value)
    shape = compile_shape(**options)
    result = shape(value)
    assert value == before, "shaping changes nothing that it is given"
    return result


def test_pick_keeps_paths_in_the_datas_own_order():
    assert list(shaped(picked=["seller.name", "id"]).items()) == [("id", 7), ("seller", {"name": "Ann"})]


def test_pick_goes_through_lists():
    assert shaped(picked=["offers.to.x", "offers.cents"]) == {"offers": [{"cents": 5, "to": {"x": 1}}, {"cents": 6}]}


def test_pick_ignores_what_is_not_there():
    assert shaped(picked=["nothing", "seller.nothing"]) == {"seller": {}}


def test_the_shorter_of_two_paths_holds():
    assert tree(["seller.name", "seller"]) == tree(["seller"]) == {"seller": {}}
    assert shaped(picked=["seller.name", "seller"]) == {"seller": DATA["seller"]}


def test_omit_takes_paths_away():
    assert shaped(omitted=["seller.secret", "offers.to", "name"]) == {
        "id": 7,
        "seller": {"id": 1, "name": "Ann"},
        "offers": [{"cents": 5}, {"cents": 6}],
    }


def test_target_narrows_to_a_path():
    assert shaped(target_path="seller.name") == "Ann"
    assert shaped(target_path="offers.cents") == [5, 6]
    assert shaped(target_path="offers.1.cents") == 6
    assert shaped(target_path="offers.5") is None
    assert shaped(target_path="name.first") is None


def test_rename_gives_a_key_another_name_in_its_place():
    assert list(shaped(renamed={"name": "title"})) == ["id", "title", "seller", "offers"]
    assert shaped(renamed={"offers.to.x": "east"})["offers"][0]["to"] == {"east": 1, "y": 2}
    assert shaped(renamed={"nothing": "x"}) == DATA


def test_renames_happen_all_at_once():
    assert shaped({"a": 1, "b": {"c": 2}}, renamed={"a": "b", "b": "a", "b.c": "d"}) == {"b": 1, "a": {"d": 2}}


def test_the_order_is_target_then_pick_then_rename_then_group():
    assert shaped(target_path="seller", picked=["name"], renamed={"name": "title"}, group="by") == {
        "by": {"title": "Ann"}
    }


def test_structs_are_mappings():
    class Seller(msgspec.Struct):
        id: int
        name: str

    assert shaped(Seller(1, "Ann"), picked=["name"]) == {"name": "Ann"}


def test_what_is_no_mapping_stays_as_it_is():
    assert shaped(5, picked=["a"]) == 5
    assert shaped([1, 2], omitted=["a"]) == [1, 2]


def test_nothing_to_do_is_no_step():
    assert compile_shape() is None


def test_any_node_can_be_shaped_and_the_data_is_the_shaped_one():
    graph = Graph("page")
    graph.node(id="product", pick=["id"], group="product")(lambda context: DATA)
    graph.node(id="twice")(lambda context, product: product["product"]["id"] * 2)
    assert graph.run().node_data == {"product": {"product": {"id": 7}}, "twice": 14}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pick": "id"}, "pick= takes a list of dotted paths"),
        ({"pick": ["a..b"]}, "pick= takes a dotted path"),
        ({"omit": [1]}, "omit= takes a dotted path"),
        ({"pick": ["a"], "omit": ["b"]}, "exclude each other"),
        ({"rename": ["a"]}, "rename= maps dotted paths to names"),
        ({"rename": {"a": ""}}, "rename= maps dotted paths to names"),
        ({"target": ""}, "target= takes a dotted path"),
        ({"group": 1}, "group= takes a dotted path"),
    ],
)
def test_options_that_make_no_sense_are_refused_when_compiled(options, message):
    graph = Graph("page")
    graph.node(id="product", **options)(lambda context: DATA)
    with pytest.raises(GraphError, match=f"page.product: .*{message}"):
        graph.compile()
