"""Only what is needed runs: a plan for some of a graph's outputs, and what to keep of their data.

`seller` and `offer.price` name outputs, by key or else by id; the rest of a path prunes inside that output. A name
that is neither can only come from nodes that are merged at the root and whose keys nobody knows before they ran, so
those run, too. If there are none, the name is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastdag.errors import UnknownOutput
from fastdag.node import Node, near
from fastdag.plan import Plan, assemble, default_outputs
from fastdag.shape.fields import Tree, pick, tree
from fastdag.shape.merge import as_mapping
from fastdag.wiring import Wire

__all__ = ["Selection", "select"]


@dataclass(frozen=True, slots=True)
class Selection:
    """A plan for what was asked for, and what to keep of each output, by its id: inside it, and at the root.

    `whole` is what to keep of the answer, where that is one node's data.
    """

    plan: Plan
    inside: Mapping[str, Tree]
    at_root: Mapping[str, Tree]
    whole: Tree | None = None

    def of(self, id: str, data: Any) -> Any:
        """What was asked for of a node's data; `None` for nothing."""
        if id in self.inside:
            return pick(data, self.inside[id])
        if id in self.at_root:
            return pick(data, self.at_root[id]) if as_mapping(data) is not None else None
        return data


def select(plan: Plan, names: Iterable[str]) -> Selection:
    """The part of a plan that answers for some names; an `UnknownOutput` lists those that nothing can answer."""
    wires = plan.wires
    if plan.body is not None:
        return Selection(plan, {}, {}, tree(names))
    usual = default_outputs(wires)
    by_id = {found.node.id: found.index for found in wires if not found.sink}
    inside: dict[int, list[str]] = {}
    at_root: dict[int, list[str]] = {}
    unknown = []
    for name in names:
        head, _, rest = name.partition(".")
        by_key = [index for index, key in usual.items() if key == head]
        named = by_key or ([by_id[head]] if head in by_id else [])
        perhaps = [] if named else [i for i, key in usual.items() if key is None and _may_hold(wires[i].node, head)]
        for index in named:
            inside.setdefault(index, []).append(rest)
        for index in perhaps:
            at_root.setdefault(index, []).append(name)
        if not named and not perhaps:
            unknown.append(name)
    if unknown:
        known = sorted({key for key in usual.values() if key} | {wires[i].node.id for i in usual})
        raise UnknownOutput(
            f"{plan.graph_id} has no output {unknown[0]!r}{near(unknown[0], known)}", tuple(unknown), tuple(known)
        )
    asked = sorted(inside.keys() | at_root.keys())
    needed = _needed(wires, asked)
    needed |= {i for i, found in enumerate(wires) if found.sink and needed.issuperset(found.parents())}
    return Selection(
        assemble(plan.graph_id, wires, {index: usual.get(index) for index in asked}, plan.timeout, only=needed),
        # One that was asked for as a whole stays whole, whatever else was asked for inside it.
        {wires[index].node.id: tree(paths) for index, paths in inside.items() if all(paths)},
        {wires[index].node.id: tree(paths) for index, paths in at_root.items() if index not in inside},
    )


def _may_hold(node: Node, key: str) -> bool:
    """Whether a node's data may have a key, as far as its options tell."""
    group, picked = node.option("group"), node.option("pick")
    if group is not None:
        return bool(group == key)
    if picked is not None and not node.option("rename"):
        return key in tree(picked)
    return True


def _needed(wires: Sequence[Wire], asked: Iterable[int]) -> set[int]:
    """The nodes that are asked for, with everything that their data comes from."""
    needed: set[int] = set()
    todo = list(asked)
    while todo:
        index = todo.pop()
        if index not in needed:
            needed.add(index)
            found = wires[index]
            todo.extend(found.parents())
            if found.fallback is not None:
                todo.append(found.fallback)
    return needed
