"""One answer out of many outputs: a deep merge in the order of declaration, never of arrival.

The same outputs give the same bytes. No node's data is ever changed: a mapping is copied at the moment another one is
merged into it, and left as it is otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

__all__ = ["Conflict", "as_mapping", "merge_outputs"]

Conflict = Callable[[str, str, str], object]  # (path, the earlier node's id, the later node's id)


def as_mapping(value: Any) -> Mapping[str, Any] | None:
    """A value as a mapping, if it is one: mappings, Structs and dataclasses are."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, msgspec.Struct):
        return {field: getattr(value, field) for field in value.__struct_fields__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def merge_outputs(outputs: Iterable[tuple[str, str | None, Any]], conflict: Conflict) -> dict[str, Any]:
    """Merges `(node id, key or None, data)`; the later declared wins, and `conflict` hears of it.

    Without a key a mapping is merged at the root, anything else goes under the node's id, and `None` nowhere.
    """
    merged = _Merged(conflict)
    for id, key, data in outputs:
        if key is not None:
            merged.put(key, data, id)
        elif data is not None:
            mapping = as_mapping(data)
            if mapping is None:
                merged.put(id, data, id)
            else:
                for name, value in mapping.items():
                    merged.put(name, value, id)
    return merged.root


class _Merged:
    """The growing answer, which parts of it are ours to change, and who wrote what."""

    def __init__(self, conflict: Conflict) -> None:
        self.root: dict[str, Any] = {}
        self._conflict = conflict
        self._ours: dict[int, dict[str, Any]] = {}  # by id; holding them keeps the ids theirs
        self._writer: dict[str, str] = {}

    def put(self, name: str, value: Any, id: str) -> None:
        if name not in self.root:
            self.root[name] = value
            self._writer[name] = id
        else:
            self._combine(self.root, name, value, name, self._writer[name], id)

    def _combine(self, into: dict[str, Any], name: str, value: Any, path: str, earlier: str, later: str) -> None:
        # A stack of our own: nesting is the upstream's to choose, and it may choose a thousand.
        todo = [(into, name, value, path)]
        while todo:
            into, name, value, path = todo.pop()
            old = into[name]
            new_mapping = as_mapping(value)
            old_mapping = as_mapping(old) if new_mapping is not None else None
            if new_mapping is None or old_mapping is None:
                if not _same(old, value):
                    into[name] = value
                    self._conflict(path, earlier, later)
                continue
            target = self._own(into, name, old, old_mapping)
            for key, inner in new_mapping.items():
                if key in target:
                    todo.append((target, key, inner, f"{path}.{key}"))
                else:
                    target[key] = inner

    def _own(self, into: dict[str, Any], name: str, old: Any, mapping: Mapping[str, Any]) -> dict[str, Any]:
        ours = self._ours.get(id(old))
        if ours is None:
            ours = into[name] = dict(mapping)
            self._ours[id(ours)] = ours
        return ours


def _same(one: Any, other: Any) -> bool:
    """Whether two values would be sent as the same JSON: `1`, `1.0` and `True` are equal, but not the same."""
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:
        return False
