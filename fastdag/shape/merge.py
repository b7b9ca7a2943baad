"""One answer out of many outputs: a deep merge in the order of declaration, never of arrival.

The same outputs give the same bytes. No node's data is ever changed: a mapping is copied at the moment another one is
merged into it, and left as it is otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

__all__ = ["Conflict", "as_mapping", "merge_outputs"]

_PLAIN = (str, int, float, list, tuple)  # the most frequent of what is no mapping

Conflict = Callable[..., object]  # (..., path, the earlier node's id, the later node's id)


def as_mapping(value: Any) -> Mapping[str, Any] | None:
    """A value as a mapping, if it is one: mappings, Structs and dataclasses are."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, msgspec.Struct):
        # By the names that it is encoded with, and without what an encoder leaves out.
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        found = ((encoded, getattr(value, name)) for name, encoded in names)
        return {name: item for name, item in found if item is not msgspec.UNSET}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def merge_outputs(outputs: Sequence[tuple[str, str | None, Any]], conflict: Conflict, *about: Any) -> dict[str, Any]:
    """Merges `(node id, key or None, data)`; the later declared wins, and `conflict` hears of it, after `about`.

    Without a key a mapping is merged at the root, anything else goes under the node's id, and `None` nowhere.
    """
    root: dict[str, Any] = {}
    merging: _Merging | None = None
    for position, (id, key, data) in enumerate(outputs):
        part = {key: data} if key is not None else data if type(data) is dict else _at_root(id, data)
        if not root:
            root = dict(part)
            continue
        for name, value in part.items():
            if name not in root:
                root[name] = value
                continue
            merging = merging or _Merging(root, outputs, partial(conflict, *about))
            merging.combine(name, value, position)
    return root


def _at_root(id: str, data: Any) -> Mapping[str, Any]:
    if type(data) is dict:
        return data
    if isinstance(data, _PLAIN):
        return {id: data}
    mapping = as_mapping(data)
    if mapping is not None:
        return mapping
    return {} if data is None else {id: data}


class _Merging:
    """Merges into what is there already, and knows which parts of that are its own to change."""

    def __init__(
        self, root: dict[str, Any], outputs: Sequence[tuple[str, str | None, Any]], conflict: Conflict
    ) -> None:
        self._root = root
        self._outputs = outputs
        self._conflict = conflict
        self._ours: dict[int, dict[str, Any]] = {}  # by id; holding them keeps the ids theirs

    def combine(self, name: str, value: Any, position: int) -> None:
        # A stack of our own: nesting is the upstream's to choose, and it may choose a thousand.
        todo: list[tuple[dict[str, Any], str, Any, tuple[str, ...]]] = [(self._root, name, value, (name,))]
        while todo:
            into, name, value, path = todo.pop()
            old = into[name]
            new_mapping = as_mapping(value)
            old_mapping = as_mapping(old) if new_mapping is not None else None
            if new_mapping is None or old_mapping is None:
                into[name] = value
                if not _same(old, value):
                    self._conflict(".".join(map(str, path)), self._writer(path, position), self._outputs[position][0])
                continue
            target = self._own(into, name, old, old_mapping)
            for key, inner in new_mapping.items():
                if key in target:
                    todo.append((target, key, inner, (*path, key)))
                else:
                    target[key] = inner

    def _writer(self, path: tuple[str, ...], position: int) -> str:
        """The last node before `position` that gave something for a path."""
        writers = [
            id
            for id, key, data in self._outputs[:position]
            if _has({key: data} if key is not None else _at_root(id, data), path)
        ]
        return writers[-1]

    def _own(self, into: dict[str, Any], name: str, old: Any, mapping: Mapping[str, Any]) -> dict[str, Any]:
        ours = self._ours.get(id(old))
        if ours is None:
            ours = into[name] = dict(mapping)
            self._ours[id(ours)] = ours
        return ours


def _has(value: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        mapping = as_mapping(value)
        if mapping is None or name not in mapping:
            return False
        value = mapping[name]
    return True


def _same(one: Any, other: Any) -> bool:
    """Whether two values would be sent as the same JSON: `1`, `1.0` and `True` are equal, but not the same."""
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:
        return False
