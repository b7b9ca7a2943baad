"""`each=`: one call or one function per element of a parent's list or mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Unpack

import msgspec

from fastdag.context import SCOPE
from fastdag.errors import GraphError, MissingValue, UpstreamDecodeError, UpstreamTooLarge, reason_of
from fastdag.fan import Fan
from fastdag.node import Node, NodeOptions
from fastdag.nodes.reference import ABSENT, read
from fastdag.signature import Param, Parameters, wrong_kind

__all__ = ["EACH_OPTIONS", "EachNode", "OnItemError"]

EACH_OPTIONS = ("each", "concurrency", "max_items", "on_item_error")

OnItemError = Literal["fail", "drop", "null"]

PER_ELEMENT = ("item", "index", "key")


class EachNode(Node):
    """A node that does for every element what another node does once. Made by `graph.fetch` and `graph.node`.

        graph.fetch("details", catalog, "/products/{item.id}", each="search.items")

    - `each`: a parent, or a dotted path into its data; a list gives a list, a mapping a mapping, in the same order.
    - The element arrives as `item`, its place as `index`, its key, in a mapping, as `key`. Elements that are equal
      are asked for once, unless the function takes `index` or `key`.
    - `concurrency`: so many at once; `max_items`: more than that fails the node with `too_large`.
    - `on_item_error`: `"fail"` the node, `"drop"` the element, or put `"null"` in its place; the last two leave the
      run incomplete.
    """

    def __init__(
        self,
        inner: Node,
        each: str,
        *,
        concurrency: int = 16,
        max_items: int = 100,
        on_item_error: OnItemError = "fail",
        **options: Unpack[NodeOptions],
    ) -> None:
        super().__init__(inner.id, **options)
        if not isinstance(each, str) or not all(part for part in each.split(".")):
            raise TypeError(f"{self.id}: each= names a parent or a path into one, like 'search.items'; not {each!r}")
        for name, value in (("concurrency", concurrency), ("max_items", max_items)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise TypeError(f"{self.id}: {name}= takes a number from 1; not {value!r}")
        if on_item_error not in ("fail", "drop", "null"):
            raise ValueError(f'{self.id}: on_item_error= takes "fail", "drop" or "null"; not {on_item_error!r}')
        self.inner = inner
        self.waits = inner.waits
        self.each = each
        self.source, *self.steps = each.split(".")
        self.concurrency = concurrency
        self.max_items = max_items
        self.on_item_error = on_item_error
        accepts = inner.parameters()
        self._function = inner.function()
        self._context = accepts.context
        self._item_first = bool(accepts.params) and accepts.params[0].name == "item" and accepts.params[0].positional
        self._wanted = {param.name for param in accepts.params if param.name in PER_ELEMENT}
        self._parameters = self._accepts(accepts)

    def _accepts(self, accepts: Parameters) -> Parameters:
        parents = [param for param in accepts.params if param.name not in PER_ELEMENT]
        if any(not param.keyword for param in accepts.params):
            raise GraphError(f"{self.id}: with each=, parameters are passed by name; make none positional-only")
        source = Param(f"each={self.each}", implies=self.source, keyword=False)
        return replace(
            accepts,
            context="first",
            params=(source, *(replace(param, positional=False) for param in parents)),
        )

    def parameters(self) -> Parameters:
        return self._parameters

    def problems(self) -> list[str]:
        wrong = wrong_kind(self._function)
        return [*([wrong] if wrong else []), *self.inner.problems()]

    def explain(self, context: Any) -> dict[str, Any]:
        return {**self.inner.explain(context), "each": self.each, "concurrency": self.concurrency}

    def load(self, context: Any, *args: Any, **parents: Any) -> Any:
        elements = self._elements(args[0])
        keys = list(elements) if isinstance(elements, Mapping) else None
        items = list(elements.values()) if isinstance(elements, Mapping) else list(elements)
        if len(items) > self.max_items:
            raise UpstreamTooLarge(f"{self.each} has {len(items)} elements, more than max_items={self.max_items}")
        places, chosen = _distinct(items) if self._wanted <= {"item"} else (range(len(items)), range(len(items)))
        call = self._call(context, parents, items, keys, chosen)
        fan = Fan(call, len(chosen), self.concurrency, stop_on_error=self.on_item_error == "fail")
        fan.go()
        if fan.errors:
            self._lost(fan.errors)
        elif keys is None and len(chosen) == len(items):
            return fan.results
        kept = [(place, at) for place, at in enumerate(places) if self.on_item_error != "drop" or at not in fan.errors]
        if keys is not None:
            return {keys[place]: fan.results[at] for place, at in kept}
        return [fan.results[at] for _, at in kept]

    def _elements(self, value: Any) -> Mapping[Any, Any] | Sequence[Any]:
        for step in self.steps:
            value = read(value, step)
        if value is ABSENT or value is None:
            raise MissingValue(f"{self.each} has no value")
        if isinstance(value, (Mapping, list, tuple)):
            return value
        raise UpstreamDecodeError(f"{self.each} is a {type(value).__name__}; each= needs a list or a mapping")

    def _call(
        self, context: Any, parents: dict[str, Any], items: list[Any], keys: list[Any] | None, chosen: Sequence[int]
    ) -> Callable[[int], Any]:
        function, wanted = self._function, self._wanted
        args = (context,) if self._context == "first" else ()
        if self._context == "context":
            parents["context"] = context
        if wanted == {"item"} and not parents:  # the most frequent, and by far the cheapest
            own = [items[place] for place in chosen]
            if self._item_first and args:
                return lambda i: function(context, own[i])
            return lambda i: function(*args, item=own[i])

        def call(i: int) -> Any:
            place = chosen[i]
            values = {"item": items[place], "index": place, "key": place if keys is None else keys[place]}
            return function(*args, **{name: values[name] for name in wanted}, **parents)

        return call

    def _lost(self, errors: dict[int, BaseException]) -> None:
        first = errors[min(errors)]
        if self.on_item_error == "fail":
            raise first
        scope = SCOPE.get()
        if scope is not None and scope.run is not None:
            scope.run.incomplete(self.id, first, reason_of(first))


def _distinct(items: list[Any]) -> tuple[Sequence[int], Sequence[int]]:
    """For every item the place of its first equal among the distinct ones, and where those stand in the list."""
    if {*map(type, items)} <= {int, str} and len(set(items)) == len(items):
        return range(len(items)), range(len(items))
    seen: dict[Any, int] = {}
    places: list[int] = []
    chosen: list[int] = []
    for place, item in enumerate(items):
        known = seen.setdefault(_identity(item), len(chosen))
        if known == len(chosen):
            chosen.append(place)
        places.append(known)
    return places, chosen


def _identity(item: Any) -> Any:
    """What makes an element equal to another: type and value, so that `1`, `1.0` and `True` are three."""
    kind = type(item)
    if kind is int or kind is str:
        return (kind, item)
    try:
        return (kind, msgspec.msgpack.encode(item))
    except (TypeError, ValueError, RecursionError, OverflowError):
        return (kind, id(item))
