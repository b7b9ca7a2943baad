"""Putting results back into the elements that they were asked for, without changing either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastdag.shape.merge import as_mapping

__all__ = ["join"]

Key = str | Callable[[Any], Any]


def join(
    elements: Sequence[Any],
    found: Sequence[Any] | Mapping[Any, Any],
    *,
    into: str,
    on: Key | None = None,
    key: Key | None = None,
    missing: Any = None,
) -> list[dict[str, Any]]:
    """Each element as a dict, with its own part of `found` under the key `into`.

        join(search["items"], reviews, into="reviews")                       # an each= over the items, in their order
        join(search["items"], sellers, into="seller", on="seller_id", key="id")

    Without `on`, `found` is a list of results in the order of the elements. With it, `on` (a field's name or a
    function) gives an element's key; `found` is a mapping by that key, or a list whose own keys `key` gives. An
    element for which there is nothing gets `missing`.
    """
    if on is None:
        if isinstance(found, Mapping) or len(found) != len(elements):
            raise ValueError(f"{len(elements)} elements and {len(found)} results do not pair up; join them with on=")
        results = list(found)
    else:
        by_key = found if isinstance(found, Mapping) else {_get(value, key or on): value for value in found}
        results = [by_key.get(_get(element, on), missing) for element in elements]
    return [{**_as_dict(element), into: result} for element, result in zip(elements, results, strict=True)]


def _get(value: Any, key: Key) -> Any:
    if callable(key):
        return key(value)
    mapping = as_mapping(value)
    return None if mapping is None else mapping.get(key)


def _as_dict(element: Any) -> Mapping[str, Any]:
    mapping = as_mapping(element)
    if mapping is None:
        raise TypeError(f"join puts results into mappings, not into {element!r:.80}")
    return mapping
