"""Results go back into the elements they were asked for."""

import copy

import pytest

from fastdag.shape.join import join

ITEMS = [{"id": 1, "seller": "a"}, {"id": 2, "seller": "b"}, {"id": 3, "seller": "a"}]


def test_results_in_the_order_of_the_elements():
    assert join(ITEMS[:2], ["x", "y"], into="stars") == [
        {"id": 1, "seller": "a", "stars": "x"},
        {"id": 2, "seller": "b", "stars": "y"},
    ]


def test_results_by_a_field_of_the_element():
    joined = join(ITEMS, {"a": "Ann", "b": "Bob"}, into="name", on="seller")
    assert [element["name"] for element in joined] == ["Ann", "Bob", "Ann"]


def test_results_in_any_order_with_a_key_of_their_own():
    found = [{"key": "b", "v": 2}, {"key": "a", "v": 1}]
    assert [e["x"]["v"] for e in join(ITEMS, found, into="x", on="seller", key="key")] == [1, 2, 1]


def test_keys_can_be_functions():
    assert join(ITEMS[:1], [10], into="x", on=lambda item: item["id"], key=lambda n: n // 10)[0]["x"] == 10


def test_an_element_without_a_result_gets_what_is_missing():
    assert [e["x"] for e in join(ITEMS, {"b": 1}, into="x", on="seller", missing=0)] == [0, 1, 0]


def test_nothing_is_changed():
    before = copy.deepcopy(ITEMS)
    join(ITEMS, [1, 2, 3], into="seller")
    assert before == ITEMS


def test_lists_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="3 elements and 1 results do not pair up; join them with on="):
        join(ITEMS, [1], into="x")


def test_elements_that_hold_nothing_are_refused():
    with pytest.raises(TypeError, match="into mappings, not into 5"):
        join([5], [1], into="x")
