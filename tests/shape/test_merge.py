"""The merge: deep, in the order of declaration, the later wins, and nobody's data is changed."""

import copy
import dataclasses
import itertools
from types import MappingProxyType

import msgspec
import pytest

from fastdag import Graph
from fastdag.shape.merge import as_mapping, merge_outputs


def merge(*outputs, conflicts=None):
    told = [] if conflicts is None else conflicts
    return merge_outputs(outputs, lambda *conflict: told.append(conflict))


def test_nothing_merges_to_nothing():
    assert merge() == {}


def test_mappings_merge_at_the_root_and_anything_else_goes_under_its_id():
    assert merge(("a", None, {"x": 1}), ("b", None, [1]), ("c", None, "text"), ("d", None, 0)) == {
        "x": 1,
        "b": [1],
        "c": "text",
        "d": 0,
    }


def test_a_key_takes_whatever_the_data_is():
    assert merge(("a", "k", {"x": 1}), ("b", "l", [1]), ("c", "m", None)) == {"k": {"x": 1}, "l": [1], "m": None}


def test_none_is_merged_only_under_a_key():
    assert merge(("a", None, None), ("b", None, {"x": 1}), ("c", None, None)) == {"x": 1}


def test_mappings_merge_deeply():
    merged = merge(
        ("a", None, {"x": {"y": {"z": 1}}, "only a": 1}),
        ("b", None, {"x": {"y": {"w": 2}, "v": 3}, "only b": 2}),
        ("c", "x", {"u": 4}),
    )
    assert merged == {"x": {"y": {"z": 1, "w": 2}, "v": 3, "u": 4}, "only a": 1, "only b": 2}


def test_keys_stand_in_the_order_of_declaration():
    merged = merge(("a", None, {"x": {"1": 1}, "y": 1}), ("b", None, {"z": 1, "x": {"2": 2}}))
    assert list(merged) == ["x", "y", "z"]
    assert list(merged["x"]) == ["1", "2"]


def test_the_later_declared_wins_and_a_conflict_is_told():
    told = []
    merged = merge(("a", None, {"x": 1}), ("b", None, {"x": 2}), ("c", None, {"x": 3}), conflicts=told)
    assert merged == {"x": 3}
    assert told == [("x", "a", "b"), ("x", "b", "c")]


@pytest.mark.parametrize(
    "earlier, later",
    list(itertools.permutations([1, True, 1.0, "1", None, [1], (1,), {"1": 1}, float("nan")], 2)),
    ids=repr,
)
def test_different_values_conflict(earlier, later):
    told = []
    assert merge(("a", "x", earlier), ("b", "x", later), conflicts=told)["x"] is later
    assert told == [("x", "a", "b")]


@pytest.mark.parametrize("value", [1, "1", None, [1, {"a": 2}], {"1": {"2": [3]}}, True], ids=repr)
def test_equal_values_do_not_conflict(value):
    told = []
    assert merge(("a", "x", value), ("b", "x", copy.deepcopy(value)), conflicts=told) == {"x": value}
    assert told == []


def test_of_equal_values_the_later_is_sent():
    assert repr(merge(("a", "x", [1]), ("b", "x", [True]))) == "{'x': [True]}"


def test_values_that_cannot_be_compared_conflict():
    class Odd:
        def __eq__(self, other):
            raise RuntimeError("never compare me")

        __hash__ = None

    told = []
    merge(("a", "x", Odd()), ("b", "x", Odd()), conflicts=told)
    assert told == [("x", "a", "b")]


def test_a_conflict_names_the_node_that_wrote_the_value_last():
    told = []
    merge(
        ("a", None, {"x": {"y": 1}}),
        ("b", None, {"x": {"z": 1}}),
        ("c", None, {"other": 1}),
        ("d", "x", {"y": 2}),
        ("e", None, {"x": {"z": 3, "y": 3}}),
        conflicts=told,
    )
    assert sorted(told) == [("x.y", "a", "d"), ("x.y", "d", "e"), ("x.z", "b", "e")]


def test_a_mapping_against_a_scalar_is_a_conflict_at_that_path():
    told = []
    assert merge(
        ("a", None, {"x": {"y": 1}}), ("b", None, {"x": 5}), ("c", None, {"x": {"z": 1}}), conflicts=told
    ) == {"x": {"z": 1}}
    assert told == [("x", "a", "b"), ("x", "b", "c")]


def test_keys_need_not_be_strings():
    told = []
    assert merge(("a", None, {1: {2: 3}}), ("b", None, {1: {2: 4}}), conflicts=told) == {1: {2: 4}}
    assert told == [("1.2", "a", "b")]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_merging_never_changes_a_nodes_own_data(count):
    outputs = [
        (f"n{number}", None, {"shared": {"deep": {"last": number, f"n{number}": number}}, "list": [number]})
        for number in range(count)
    ]
    before = copy.deepcopy(outputs)
    merged = merge(*outputs)
    assert outputs == before
    assert merged["shared"]["deep"]["last"] == count - 1
    assert merged["list"] == [count - 1]


def test_a_node_that_gives_its_parents_data_is_not_changed_either():
    graph = Graph("page")
    shared = {"x": {"y": 1}}
    graph.node(id="a", output=True)(lambda: shared)
    graph.node(id="b", output=True)(lambda a: a)
    graph.node(id="c")(lambda a: {"x": {"z": 2}})
    assert graph.run().merged == {"x": {"y": 1, "z": 2}}
    assert shared == {"x": {"y": 1}}


def test_a_thousand_levels_are_merged_without_recursion():
    def nested(leaf):
        found = leaf
        for _ in range(1000):
            found = {"k": found}
        return found

    merged = merge(("a", None, nested({"x": 1})), ("b", None, nested({"y": 2})))
    for _ in range(1000):
        merged = merged["k"]
    assert merged == {"x": 1, "y": 2}


@dataclasses.dataclass
class Price:
    amount: int
    currency: str = "EUR"


class Stock(msgspec.Struct, rename="camel"):
    in_stock: int
    next_delivery: str | msgspec.UnsetType = msgspec.UNSET


def test_dataclasses_and_structs_are_mappings():
    assert merge(("a", None, Price(1)), ("b", None, Stock(2))) == {"amount": 1, "currency": "EUR", "inStock": 2}
    assert merge(("a", "x", Price(1)), ("b", "x", {"amount": 1}), ("c", "x", Stock(3, "soon"))) == {
        "x": {"amount": 1, "currency": "EUR", "inStock": 3, "nextDelivery": "soon"}
    }


def test_a_struct_is_encoded_the_same_alone_and_merged():
    alone = msgspec.json.decode(msgspec.json.encode(Stock(2)))
    assert merge(("a", None, Stock(2))) == alone


@pytest.mark.parametrize("value", [5, "x", None, [1], Price, Stock, {1, 2}], ids=repr)
def test_what_is_no_mapping(value):
    assert as_mapping(value) is None


def test_any_mapping_is_one():
    assert merge(("a", None, MappingProxyType({"x": 1})), ("b", None, {"y": 2})) == {"x": 1, "y": 2}
