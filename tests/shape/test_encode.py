"""Strict JSON goes out, and what would not go is named."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Any

import msgspec
import pytest

from fastdag.errors import EncodeError
from fastdag.shape.encode import encode, encode_output


@dataclasses.dataclass
class Price:
    amount: Any
    currency: str = "EUR"


class Seller(msgspec.Struct):
    name: Any


@pytest.mark.parametrize(
    ("data", "written"),
    [
        ({"a": [1, None, True]}, b'{"a":[1,null,true]}'),
        (Price(1), b'{"amount":1,"currency":"EUR"}'),
        ([Seller("Ann")], b'[{"name":"Ann"}]'),
        ("<é>", '"<é>"'.encode()),
        ({"__proto__": 1, "__class__": 2, 3: 4}, b'{"__proto__":1,"__class__":2,"3":4}'),
        ([math.nan, math.inf, -math.inf], b"[null,null,null]"),
    ],
)
def test_data_is_written_as_json(data: Any, written: bytes) -> None:
    assert encode(data) == written


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (object(), "$"),
        ({"a": {"b": [1, {2j}]}}, "$.a.b[1][0]"),
        ({"price": Price(object())}, "$.price.amount"),
        ([Seller("\ud800")], "$[0].name"),
        ({"k": {(1, 2): 3}}, "$.k"),
        (iter([1]), "$"),
    ],
)
def test_what_has_no_json_form_is_named_by_its_path(data: Any, path: str) -> None:
    with pytest.raises(EncodeError) as raised:
        encode(data)

    assert raised.value.path == path
    assert str(raised.value).startswith(f"the answer is no JSON at {path}: ")
    assert raised.value.__cause__ is not None


def test_data_that_holds_itself_is_an_error() -> None:
    data: list[Any] = []
    data.append(data)

    with pytest.raises(EncodeError, match="nested too deeply"):
        encode(data)


def test_the_node_whose_data_it_is_is_named() -> None:
    node_data = {"good": {"a": 1}, "bad": {"b": object()}}

    with pytest.raises(EncodeError) as raised:
        encode_output({"a": 1, "b": node_data["bad"]["b"]}, node_data)

    assert raised.value.node_id == "bad"
    assert str(raised.value).startswith("the data of 'bad' is no JSON at $.b: ")


def test_what_only_the_merge_made_is_named_by_its_path_alone() -> None:
    with pytest.raises(EncodeError) as raised:
        encode_output({"sum": object()}, {"a": 1})

    assert raised.value.node_id is None
    assert raised.value.path == "$.sum"


def test_the_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(EncodeError("$.a", "no", "node")))

    assert (error.path, error.problem, error.node_id) == ("$.a", "no", "node")
