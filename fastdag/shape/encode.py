"""From data to the bytes of the answer: strict JSON (RFC 8259), and a message that says what would not go.

msgspec writes mappings, lists, dataclasses, Structs, dates, UUIDs, decimals (as strings) and bytes (as base64). A
float that JSON has no word for (NaN, infinity) becomes `null`, as in JavaScript's `JSON.stringify`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fastdag.errors import EncodeError

__all__ = ["encode", "encode_output"]

_ERRORS = (TypeError, ValueError, RecursionError, OverflowError)


_encode = msgspec.json.Encoder().encode


def encode(data: Any) -> bytes:
    """Data as JSON; an `EncodeError` names the innermost value that has no JSON form."""
    try:
        return _encode(data)
    except _ERRORS as error:
        path, problem = _culprit(data, error)
        raise EncodeError(path, problem) from error


def encode_output(merged: Any, node_data: Mapping[str, Any]) -> bytes:
    """What a run brought, as JSON; an error names the first node whose own data has no JSON form."""
    try:
        return _encode(merged)
    except _ERRORS as error:
        for node_id, data in node_data.items():
            try:
                encode(data)
            except EncodeError as found:
                raise EncodeError(found.path, found.problem, node_id) from error
        path, problem = _culprit(merged, error)
        raise EncodeError(path, problem) from error


def _culprit(data: Any, error: Exception) -> tuple[str, str]:
    # Only on the way to an error: goes down, level by level, into the first part that does not encode by itself.
    path = "$"
    while True:
        for step, part in _parts(data):
            try:
                _encode(part)
            except _ERRORS as inner:
                path, data, error = path + step, part, inner
                break
        else:
            return path, str(error)
        if path.count(".") + path.count("[") > 100:
            return path, "nested too deeply"


def _parts(data: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(data, Mapping):
        return [(f".{key}", value) for key, value in data.items()]
    if isinstance(data, (list, tuple, set, frozenset)):
        return [(f"[{index}]", value) for index, value in enumerate(data)]
    names: Any = getattr(data, "__dataclass_fields__", None) or getattr(data, "__struct_fields__", ())
    return [(f".{name}", getattr(data, name, None)) for name in names]
