"""Choosing parts of a node's data by dotted paths, which go through lists. Nothing given is ever changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastdag.node import Node
from fastdag.shape.merge import as_mapping

__all__ = ["Tree", "compile_shape", "omit", "pick", "rename", "shape_of", "target", "tree"]

#: Paths that begin alike share a branch; an empty branch is the end of a path and stands for all below it.
Tree = dict[str, "Tree"]

Shaper = Callable[[Any], Any]


@dataclass(slots=True)
class Name:
    """What a key is called afterwards, and the names inside of it."""

    name: str
    inner: Names = field(default_factory=dict)


Names = dict[str, Name]


def tree(paths: Iterable[str]) -> Tree:
    """`["id", "seller.name"]` as a tree. Of a path and a longer one that begins with it, the short one holds."""
    root: Tree = {}
    for path in sorted(set(paths), key=len, reverse=True):
        at = root
        *steps, last = path.split(".")
        for step in steps:
            at = at.setdefault(step, {})
        at[last] = {}
    return root


def pick(value: Any, wanted: Tree) -> Any:
    """Only what is on the tree, in the value's own order; what is not there is left out."""
    if isinstance(value, (list, tuple)):
        return [pick(element, wanted) for element in value]
    mapping = as_mapping(value)
    if mapping is None:
        return value
    return {key: pick(inner, wanted[key]) if wanted[key] else inner for key, inner in mapping.items() if key in wanted}


def omit(value: Any, unwanted: Tree) -> Any:
    """Everything but what is on the tree."""
    if isinstance(value, (list, tuple)):
        return [omit(element, unwanted) for element in value]
    mapping = as_mapping(value)
    if mapping is None:
        return value
    return {
        key: omit(inner, unwanted[key]) if key in unwanted else inner
        for key, inner in mapping.items()
        if unwanted.get(key, _DEEPER)
    }


_DEEPER: Tree = {"": {}}


def target(value: Any, path: Sequence[str]) -> Any:
    """What stands at a path; through a list, a list of what stands there in each element. `None` if nothing does."""
    for at, step in enumerate(path):
        if isinstance(value, (list, tuple)):
            if not step.isdecimal():
                return [target(element, path[at:]) for element in value]
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = (as_mapping(value) or {}).get(step)
    return value


def rename(value: Any, names: Names) -> Any:
    """The same with other names for some keys, each in its place; all at once, so that two can change places."""
    if isinstance(value, (list, tuple)):
        return [rename(element, names) for element in value]
    mapping = as_mapping(value)
    if mapping is None:
        return value
    return {
        names[key].name if key in names else key: _renamed(inner, names.get(key)) for key, inner in mapping.items()
    }


def _renamed(value: Any, name: Name | None) -> Any:
    return rename(value, name.inner) if name is not None and name.inner else value


def compile_shape(
    *,
    target_path: str | None = None,
    picked: Sequence[str] | None = None,
    omitted: Sequence[str] | None = None,
    renamed: Mapping[str, str] | None = None,
    group: str | None = None,
) -> Shaper | None:
    """The steps that a node's data goes through, in the order target, pick or omit, rename, group; `None` for none."""
    if picked is not None and omitted is not None:
        raise ValueError("pick= and omit= exclude each other; give one of them")
    steps: list[Shaper] = []
    if target_path is not None:
        path = _path("target=", target_path).split(".")
        steps.append(lambda value: target(value, path))
    if picked is not None:
        wanted = tree(_paths("pick=", picked))
        steps.append(lambda value: pick(value, wanted))
    if omitted is not None:
        unwanted = tree(_paths("omit=", omitted))
        steps.append(lambda value: omit(value, unwanted))
    if renamed:
        names = _names(renamed)
        steps.append(lambda value: rename(value, names))
    if group is not None:
        key = _path("group=", group)
        steps.append(lambda value: {key: value})
    return _in_order(steps) if steps else None


def _in_order(steps: list[Shaper]) -> Shaper:
    def shape(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return steps[0] if len(steps) == 1 else shape


def shape_of(node: Node) -> Shaper | None:
    """What a node's options say about the shape of its data."""
    return compile_shape(
        target_path=node.option("target"),
        picked=node.option("pick"),
        omitted=node.option("omit"),
        renamed=node.option("rename"),
        group=node.option("group"),
    )


def _path(what: str, path: Any) -> str:
    if not isinstance(path, str) or not all(path.split(".")):
        raise TypeError(f"{what} takes a dotted path like 'seller.name', not {path!r}")
    return path


def _paths(what: str, paths: Any) -> list[str]:
    if isinstance(paths, str) or not isinstance(paths, Iterable):
        raise TypeError(f"{what} takes a list of dotted paths, not {paths!r}")
    return [_path(what, path) for path in paths]


def _names(renamed: Any) -> Names:
    if not isinstance(renamed, Mapping) or not all(isinstance(new, str) and new for new in renamed.values()):
        raise TypeError(f"rename= maps dotted paths to names, like {{'seller.name': 'title'}}; not {renamed!r}")
    root: Names = {}
    for path, new in renamed.items():
        at = root
        *steps, last = _path("rename=", path).split(".")
        for step in steps:
            at = at.setdefault(step, Name(step)).inner
        at.setdefault(last, Name(last)).name = new
    return root
