"""What a route declares as its input, and the conversion of what came in, with everything that is wrong at once.

msgspec stops at the first mistake, which is right for the fast path. Only when it has found one, the value is walked
along its type a second time, to tell the client all of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import falcon
import msgspec

from fastdag.web import body as bodies
from fastdag.web.problem import Problem

__all__ = ["Input", "fields_of"]

_AT = re.compile(r" - at (?:`key` in )?`\$(.*?)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class Input:
    """The declared input of a route: `query`, a Struct or dataclass; `body`, any type that msgspec can convert to."""

    __slots__ = ("_decode", "_lists", "body", "query")

    def __init__(self, query: Any = None, body: Any = None) -> None:
        if query is not None and fields_of(query) is None:
            raise TypeError(f"query takes a msgspec.Struct or a dataclass, not {query!r}")
        for kind in filter(None, (query, body)):
            msgspec.json.schema(kind)  # refuses what cannot be converted or documented
        self.query = query
        self.body = body
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(Any if body is None else body).decode
        self._lists = frozenset(name for name, kind, _ in fields_of(query) or () if _is_list(kind))

    @property
    def names(self) -> list[str]:
        """The query parameters that are declared."""
        return [name for name, _, _ in fields_of(self.query) or ()]

    def read_query(self, params: Mapping[str, Any], *, without: str | None = None) -> Any:
        """The query, but for a parameter that is not the route's, as what was declared; 422 if it cannot be that."""
        values = {
            name: [value] if name in self._lists and not isinstance(value, list) else value
            for name, value in params.items()
            if name != without
        }
        try:
            return _from_text(values, self.query)
        except msgspec.ValidationError as error:
            raise _refused("query", values, self.query, _from_text) from error

    def read_body(self, req: falcon.Request, content: bytes) -> Any:
        """The body as what was declared: 415 if it is something else than JSON, 422 if it is other JSON."""
        if not content:
            raise Problem(400, detail="The request needs a JSON body.")
        if not bodies.is_json(req.content_type):
            raise Problem(415, detail="The body has to be application/json.", headers={"Accept": "application/json"})
        try:
            return bodies.decode_json(content, self._decode)
        except msgspec.ValidationError:
            value = _integral(bodies.decode_json(content))
        try:
            return _from_json(value, self.body)
        except msgspec.ValidationError as error:
            raise _refused("body", value, self.body, _from_json) from error


Convert = Callable[[Any, Any], Any]


def _from_text(value: Any, kind: Any) -> Any:
    return msgspec.convert(value, kind, strict=False)


def _from_json(value: Any, kind: Any) -> Any:
    return msgspec.convert(value, kind, str_keys=True)


def _integral(value: Any) -> Any:
    """A value without floats that are whole: to JSON Schema 5.0 is an integer, to msgspec it is none."""
    if isinstance(value, dict):
        return {key: _integral(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_integral(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refused(where: str, value: Any, kind: Any, convert: Convert) -> Problem:
    errors = [
        {"in": where, "pointer": pointer, "detail": detail} for pointer, detail in _mistakes(value, kind, "", convert)
    ]
    return Problem(422, detail=f"The {where} is not what it should be.", errors=errors)


def _mistakes(value: Any, kind: Any, pointer: str, convert: Convert) -> list[tuple[str, str]]:
    """All that is wrong with a value: where (RFC 6901), and what."""
    found: list[tuple[str, str]] = []
    for step, part, part_type in _parts(value, _bare(kind)):
        below = f"{pointer}/{_escaped(step)}"
        if part is _MISSING:
            found.append((below, "is required"))
        else:
            found += _mistakes(part, part_type, below, convert)
    if not found:
        try:
            convert(value, kind)
        except msgspec.ValidationError as error:
            text = str(error)
            found.append((pointer + _pointer(text), _AT.sub("", text)))
    return found


_MISSING = object()


def _parts(value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    fields = fields_of(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if fields is not None and isinstance(value, dict):
        for name, field_type, required in fields:
            if name in value or required:
                yield name, value.get(name, _MISSING), field_type
    elif origin is dict and isinstance(value, dict):
        for key, part in value.items():
            yield key, part, arguments[1]
    elif origin in _LISTS and len(set(arguments) - {...}) == 1 and isinstance(value, list):
        for index, part in enumerate(value):
            yield str(index), part, arguments[0]


def _pointer(text: str) -> str:
    at = _AT.search(text)
    return "".join(f"/{_escaped(name or index)}" for name, index in _STEP.findall(at[1])) if at else ""


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


_LISTS = (list, set, frozenset, tuple)


def fields_of(kind: Any) -> list[tuple[str, Any, bool]] | None:
    """The fields of a Struct or dataclass: the name it has outside, its type, whether it is required."""
    if not isinstance(kind, type):
        return None
    if issubclass(kind, msgspec.Struct):
        return [(field.encode_name, field.type, field.required) for field in msgspec.structs.fields(kind)]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return [
            (field.name, hints[field.name], {field.default, field.default_factory} == {dataclasses.MISSING})
            for field in dataclasses.fields(kind)
            if field.init
        ]
    return None


def _bare(kind: Any) -> Any:
    """A type without its constraints, and without `None` as the alternative."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        arms = [arm for arm in get_args(kind) if arm is not NoneType]
        return _bare(arms[0]) if len(arms) == 1 else kind
    return kind


def _is_list(kind: Any) -> bool:
    bare = _bare(kind)
    return (get_origin(bare) or bare) in _LISTS
