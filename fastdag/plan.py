"""A plan: a graph as the engine runs it. Frozen, validated, indexed by integers, shared by all requests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fastdag import validate
from fastdag.errors import GraphError
from fastdag.node import Node, is_node
from fastdag.signature import REQUIRED
from fastdag.wiring import Arguments, Link, Population, Wire, wire

__all__ = ["DIRECT", "ONE_PARENT", "ROUNDABOUT", "TWO_PARENTS", "Plan", "Step", "compile_plan"]

# How a node is called. The first three are what most nodes are, and cost the engine next to nothing.
DIRECT = 0  # function(context)
ONE_PARENT = 1  # function(context, a's data)
TWO_PARENTS = 2  # function(context, a's data, b's data)
ROUNDABOUT = 3  # through Step.arguments, with everything a node can have

NO_DATA: Any = object()


@dataclass(frozen=True, slots=True)
class Step:
    """One node as the engine sees it."""

    index: int
    id: str
    node: Node
    call: Arguments
    when: Arguments | None
    timeout: float | None
    optional: bool
    fallback_value: Any
    fallback_call: Callable[[Any, BaseException], Any] | None
    fallback_node: int | None

    @property
    def has_fallback(self) -> bool:
        return self.fallback_value is not REQUIRED or self.fallback_call is not None or self.fallback_node is not None

    def fresh_fallback(self) -> Any:
        """The fallback value; one that could be changed is copied, so that no run sees another's changes."""
        value = self.fallback_value
        return copy.deepcopy(value) if isinstance(value, (dict, list, set, bytearray)) else value


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run needs to know, and nothing that a run changes.

    `steps[i]` is node `i` in full; `calls[i]` is `(shape, function, a, b)`, enough for most nodes. `children[i]`
    wait for the end of `i`, `needers[i]` cannot do without its data. `waiting[i]` counts what `i` waits for.
    `stand_ins[i]` is true where the end of `i` concerns a fallback node. `outputs` are `(index, where)` pairs in the
    order of declaration; `where` is a key, or `None` for the root.
    """

    graph_id: str
    steps: tuple[Step, ...]
    calls: tuple[tuple[int, Callable[..., Any], int, int], ...]
    ids: tuple[str, ...]
    index: dict[str, int]
    children: tuple[tuple[int, ...], ...]
    needers: tuple[tuple[int, ...], ...]
    waiting: tuple[int, ...]
    starts: tuple[int, ...]
    waits: bytes
    stand_ins: bytes
    served_by: dict[int, tuple[int, ...]]
    outputs: tuple[tuple[int, str | None], ...]
    body: int | None

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"<Plan {self.graph_id!r} {len(self.steps)} nodes, {len(self.outputs)} outputs>"


def compile_plan(
    graph_id: str,
    declared: Iterable[Node],
    roots: Iterable[str],
    made: dict[type[Node], Node],
    body: str | None = None,
) -> Plan:
    """Checks a graph and compiles it; a `GraphError` lists everything that is wrong with it."""
    population = Population(graph_id, declared, made)
    wires = wire(population)
    root_indices = {population.find(root, "add_root") for root in roots} - {None}
    problems = [
        *validate.options(graph_id, population.nodes),
        *population.problems,
        *validate.reachability(graph_id, wires, root_indices),  # type: ignore[arg-type]
        *validate.cycles(graph_id, wires),
        *validate.body(graph_id, body, population.index),
    ]
    if problems:
        raise GraphError(problems)
    return _assemble(graph_id, wires, population.index, body)


def _assemble(graph_id: str, wires: Sequence[Wire], index: dict[str, int], body: str | None) -> Plan:
    size = len(wires)
    children: list[list[int]] = [[] for _ in range(size)]
    needers: list[list[int]] = [[] for _ in range(size)]
    takers = bytearray(size)
    waiting = [0] * size
    served_by: dict[int, list[int]] = {}
    for found in wires:
        parents = found.parents()
        for parent in parents:
            takers[parent] = 1
        for parent in dict.fromkeys([*parents, *found.after]):
            children[parent].append(found.index)
            waiting[found.index] += 1
        for parent in _needed(found):
            needers[parent].append(found.index)
        if found.fallback is not None:
            served_by.setdefault(found.fallback, []).append(found.index)
    for stand_in in served_by:
        waiting[stand_in] += 1  # the gate, which the first failure of a node that it serves opens
    stand_ins = bytes(found.index in served_by or found.fallback is not None for found in wires)
    waits = bytes(found.node.waits for found in wires)
    starts = [i for i in range(size) if not waiting[i]]
    return Plan(
        graph_id,
        tuple(_step(found) for found in wires),
        tuple(_shape(found) for found in wires),
        tuple(found.node.id for found in wires),
        index,
        tuple(map(tuple, children)),
        tuple(map(tuple, needers)),
        tuple(waiting),
        tuple(starts),
        waits,
        stand_ins,
        {stand_in: tuple(served) for stand_in, served in served_by.items()},
        tuple(_outputs(wires, takers, served_by)),
        None if body is None else index[body],
    )


def _needed(found: Wire) -> list[int]:
    links = [*found.call.links(), *(found.when.links() if found.when else ())]
    return list(dict.fromkeys(link.parent for link in links if link.needed))


def _step(found: Wire) -> Step:
    node = found.node
    fallback = node.option("fallback")
    callable_fallback = callable(fallback) and not is_node(fallback)
    is_value = not callable_fallback and not is_node(fallback)
    return Step(
        found.index,
        node.id,
        node,
        found.call,
        found.when,
        node.option("timeout"),
        bool(node.option("optional")),
        fallback if is_value else REQUIRED,
        fallback if callable_fallback else None,
        found.fallback,
    )


def _shape(found: Wire) -> tuple[int, Callable[..., Any], int, int]:
    call = found.call
    links: list[Link] = call.positional
    plain = (
        found.when is None
        and found.node.option("timeout") is None
        and call.context == "first"
        and not call.named
        and len(links) <= 2
        and all(link.needed for link in links)
    )
    first, second = ([link.parent for link in links] + [0, 0])[:2] if plain else (0, 0)
    return (len(links) if plain else ROUNDABOUT, call.function, first, second)


def _outputs(
    wires: Sequence[Wire], takers: bytearray, served_by: dict[int, list[int]]
) -> Iterable[tuple[int, str | None]]:
    for found in wires:
        output = found.node.option("output")
        if output is None:  # leaves, except those whose data is another node's
            output = not takers[found.index] and found.index not in served_by
        if output is not False:
            yield found.index, output if isinstance(output, str) else None
