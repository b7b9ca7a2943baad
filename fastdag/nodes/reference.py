"""References: `{path.id}`, `{query.q}`, `{product.seller.0.id}`, `{item?}` in the templates of a node.

A template is compiled once into a function of the context and the parents' data. What it refers to becomes the node's
parameters, so a reference is an edge; what is wrong with it is told with the node, the template and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastdag.context import Context
from fastdag.errors import InvalidValue, MissingValue
from fastdag.node import RESERVED
from fastdag.signature import REQUIRED, Param, Parameters
from fastdag.upstream.encode import IN_PATH, encode_path, encode_segment, percent_encode, text_of

__all__ = ["ABSENT", "Read", "Reference", "Templates", "parse", "read"]

#: `(context, parents) -> value`
Read = Callable[[Any, Mapping[str, Any]], Any]

ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "ABSENT"})()

IN_REQUEST = frozenset({"path", "query", "headers", "json", "state", "body"})
PER_ELEMENT = frozenset({"item", "index", "key"})

_pieces = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]").finditer
_reference = re.compile(r"([^\W\d]\w*)((?:\.[^.?\s]+)*)(\??)").fullmatch


def read(value: Any, step: str) -> Any:
    """One step into a value: a mapping's key, a list's index, else an attribute that is data; else `ABSENT`.

    Methods and names with a leading underscore are no data: `{product.items}` never means `dict.items`.
    """
    if type(value) is dict:
        return value.get(step, ABSENT)
    if isinstance(value, (list, tuple)) and step.isdecimal():
        return value[int(step)] if int(step) < len(value) else ABSENT
    if hasattr(type(value), "__getitem__") and not isinstance(value, (str, bytes, list, tuple)):
        try:
            return value[step]
        except (LookupError, TypeError):
            pass
    found = ABSENT if step.startswith("_") else getattr(value, step, ABSENT)
    return ABSENT if callable(found) else found


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands between two braces."""

    text: str
    source: str
    steps: tuple[str, ...]
    optional: bool

    @classmethod
    def parse(cls, text: str) -> Reference:
        match = _reference(text)
        if match is None:
            raise ValueError("is no reference; write it like {path.id} or {product.seller.0.id?}, and {{ for a brace")
        source, steps, optional = match.groups()
        if source == "context":
            raise ValueError(
                f"does not begin with one of {', '.join(sorted(IN_REQUEST | PER_ELEMENT))} or a node's id"
            )
        return cls(text, source, tuple(steps.split(".")[1:]), bool(optional))

    def reader(self, *, null: bool) -> Read:
        """Reads the value; `None` where an optional one is absent. `null`: whether a `None` found counts as one."""
        find, optional = self._finder(), self.optional

        def reader(context: Any, parents: Mapping[str, Any]) -> Any:
            value = find(context, parents)
            if value is ABSENT or (value is None and not null):
                if not optional:
                    raise MissingValue(f"{{{self.text}}} has no value", source=self.source, steps=self.steps)
                return None
            return value

        return reader

    def _finder(self) -> Read:
        source, steps = self.source, self.steps

        def in_parents(_context: Any, parents: Mapping[str, Any]) -> Any:
            value = parents.get(source, ABSENT)
            for step in steps:
                value = read(value, step)
            return value

        def in_request(context: Any, _parents: Mapping[str, Any]) -> Any:
            # The common kind of context needs no search.
            value = getattr(context, source) if isinstance(context, Context) else read(context, source)
            for step in steps:
                value = read(value, step)
            return value

        def in_headers(context: Any, _parents: Mapping[str, Any]) -> Any:
            # A request's header names are in lower case; a context of another kind may keep them as they came.
            headers = read(context, source)
            value = read(headers, steps[0].lower())
            return read(headers, steps[0]) if value is ABSENT else value

        if source == "headers" and len(steps) == 1:
            return in_headers
        return in_request if source in IN_REQUEST else in_parents


def parse(text: str) -> list[str | Reference]:
    """A template's literal parts and references, in order. A bad one is a `ValueError` that says how to write it."""
    parts: list[str | Reference] = []
    end = 0
    for match in _pieces(text):
        parts.append(text[end : match.start()])
        end = match.end()
        token = match.group()
        if token in ("{{", "}}"):
            parts.append(token[0])
        elif len(token) == 1:
            raise ValueError(f"has a single {token!r}; write {token * 2!r} for a brace")
        else:
            try:
                parts.append(Reference.parse(token[1:-1]))
            except ValueError as error:
                raise ValueError(f"{token} {error}") from None
    parts.append(text[end:])
    return [part for part in parts if part]


class Templates:
    """Compiles the templates of one node; keeps what they refer to, and what is wrong with them."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        self.references: list[Reference] = []
        self.problems: list[str] = []

    def parameters(self) -> Parameters:
        """What the templates need. A parent may be missing if every reference to it may."""
        optional: dict[str, bool] = {}
        for reference in self.references:
            if reference.source not in IN_REQUEST:
                optional[reference.source] = optional.get(reference.source, True) and reference.optional
        return Parameters(
            "first",
            tuple(
                Param(
                    source,
                    ABSENT if may_miss else REQUIRED,
                    implies=None if source in RESERVED else source,
                    positional=False,
                )
                for source, may_miss in optional.items()
            ),
        )

    def path(self, text: str) -> Read:
        """A path: every reference is encoded as a segment, or as a part of one."""
        parts = self._parse("path", text)
        if not self._path_is_good(text, parts):
            return _constant(text)
        pieces = [
            self._use(part).reader(null=False) if isinstance(part, Reference) else percent_encode(part, IN_PATH)
            for part in parts
        ]

        if not any(callable(piece) for piece in pieces):
            return _constant("".join(pieces))  # type: ignore[arg-type]

        def path(context: Any, parents: Mapping[str, Any]) -> str:
            return "".join(
                [piece if isinstance(piece, str) else encode_segment(piece(context, parents)) for piece in pieces]
            )

        return path

    def _path_is_good(self, text: str, parts: list[str | Reference]) -> bool:
        before = len(self.problems)
        literal = "".join(part if isinstance(part, str) else "x" for part in parts)
        if any(isinstance(part, Reference) and part.optional for part in parts):
            self._problem("path", text, "no part of a path is optional; drop the '?' in the reference")
        if "?" in literal:
            self._problem("path", text, "holds a query; give it with params=")
        elif parts or not text:
            try:
                encode_path(literal)
            except InvalidValue as error:
                self._problem("path", text, str(error))
        return len(self.problems) == before and bool(parts)

    def value(self, where: str, template: Any, *, null: bool = False) -> Read | None:
        """A template of any kind, nested ones too; `None` when it refers to nothing, so that it is its own value.

        A string that is one reference keeps the type of what it refers to; in a longer one values become text.
        """
        if isinstance(template, str):
            return self._text(where, template, null)
        if isinstance(template, Mapping):
            return self._mapping(where, template, null)
        if isinstance(template, (list, tuple)):
            return self._list(where, template, null)
        return None

    def encoded(self, where: str, template: Any, encode: Callable[[Any], Any], *, null: bool = False) -> Read:
        """A template's value, encoded; only once if it refers to nothing."""
        find = self.value(where, template, null=null)
        if find is not None:
            return lambda context, parents: encode(find(context, parents))
        try:
            return _constant(encode(template))
        except InvalidValue as error:
            self.problems.append(f"{self.node_id}: {where}: {error}")
            return _constant(None)

    def _text(self, where: str, text: str, null: bool) -> Read | None:
        parts = self._parse(where, text)
        if len(parts) == 1 and isinstance(parts[0], Reference):
            return self._use(parts[0]).reader(null=null)
        if "{" not in text and "}" not in text:
            return None
        pieces = [self._use(part).reader(null=False) if isinstance(part, Reference) else part for part in parts]

        def joined(context: Any, parents: Mapping[str, Any]) -> str | None:
            texts = []
            for piece in pieces:
                value = piece if isinstance(piece, str) else piece(context, parents)
                if value is None:
                    return None
                texts.append(text_of(value))
            return "".join(texts)

        return joined

    def _mapping(self, where: str, template: Mapping[Any, Any], null: bool) -> Read | None:
        reads = [(name, self.value(f"{where}[{name!r}]", part, null=null)) for name, part in template.items()]
        if not any(made for _, made in reads):
            return None
        made = [(name, found or _constant(template[name])) for name, found in reads]
        return lambda context, parents: {name: make(context, parents) for name, make in made}

    def _list(self, where: str, template: list[Any] | tuple[Any, ...], null: bool) -> Read | None:
        reads = [self.value(f"{where}[{index}]", part, null=null) for index, part in enumerate(template)]
        if not any(reads):
            return None
        made = [found or _constant(part) for found, part in zip(reads, template, strict=True)]
        return lambda context, parents: [make(context, parents) for make in made]

    def _parse(self, where: str, text: str) -> list[str | Reference]:
        try:
            return parse(text)
        except ValueError as error:
            self._problem(where, text, str(error))
            return []

    def _use(self, reference: Reference) -> Reference:
        self.references.append(reference)
        return reference

    def _problem(self, where: str, text: str, what: str) -> None:
        self.problems.append(f"{self.node_id}: {where} {text!r}: {what}")


def _constant(value: Any) -> Read:
    return lambda context, parents: value
