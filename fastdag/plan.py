"""A plan: a graph as the engine runs it. Frozen, validated, indexed by integers, shared by all requests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

from fastdag import validate
from fastdag.blank import Blank
from fastdag.errors import GraphError
from fastdag.explain import Explained, explain
from fastdag.flying import Flyer, flyer_of, shaped
from fastdag.lint import lint
from fastdag.node import COPIED, Node, is_node
from fastdag.signature import REQUIRED
from fastdag.wiring import Arguments, Declaration, Link, Population, Wire, renumber, wire

__all__ = [
    "DIRECT",
    "FLIGHT",
    "ONE_PARENT",
    "ROUNDABOUT",
    "TWO_PARENTS",
    "Plan",
    "Step",
    "assemble",
    "compile_plan",
    "default_outputs",
]

# How a node is called. The first three are what most nodes are, and cost the engine next to nothing.
DIRECT = 0  # function(context)
ONE_PARENT = 1  # function(context, a's data)
TWO_PARENTS = 2  # function(context, a's data, b's data)
ROUNDABOUT = 3  # through Step.arguments, with everything a node can have
FLIGHT = 4  # in two halves, see `flying.py`


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
    flyer: Flyer | None

    @property
    def has_fallback(self) -> bool:
        return self.fallback_value is not REQUIRED or self.fallback_call is not None or self.fallback_node is not None

    def fresh_fallback(self) -> Any:
        """The fallback value, copied if a run could change it."""
        value = self.fallback_value
        return copy.deepcopy(value) if isinstance(value, COPIED) else value


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run needs to know, and nothing that a run changes.

    `steps[i]` is node `i` in full; `calls[i]` is `(shape, function, a, b)`, enough for most nodes. `children[i]`
    wait for the end of `i`, `needers[i]` cannot do without its data. `blank` counts what each node waits for.
    `stand_ins[i]` is true where the end of `i` concerns a fallback node. `outputs` are `(index, where)` pairs in the
    order of declaration; `where` is a key, or `None` for the root. `sinks` are what runs afterwards, each with the
    nodes whose data it needs; `wires` is what the plan was laid out from.
    `sheddable` are `(criticality, index)` of what may be dropped under pressure.
    """

    graph_id: str
    wires: tuple[Wire, ...]
    steps: tuple[Step, ...]
    calls: tuple[tuple[int, Callable[..., Any], int, int], ...]
    ids: tuple[str, ...]
    index: dict[str, int]
    children: tuple[tuple[int, ...], ...]
    needers: tuple[tuple[int, ...], ...]
    blank: Blank
    waits: bytes
    stand_ins: bytes
    served_by: dict[int, tuple[int, ...]]
    outputs: tuple[tuple[int, str | None], ...]
    body: int | None
    sinks: tuple[tuple[Step, tuple[int, ...]], ...]

    timeout: float | None
    sheddable: tuple[tuple[float, int], ...]

    def lint(self) -> list[str]:
        """What the graph does that its author probably did not mean; one sentence each, with the fix."""
        return list(lint(self.graph_id, self.wires, default_outputs(self.wires), self.timeout))

    def explain(self, context: Any = None) -> list[Explained]:
        """Which nodes would run for a context, in which order, with which calls and limits; no call is made."""
        return explain(self.wires, self.timeout, context)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"<Plan {self.graph_id!r} {len(self.steps)} nodes, {len(self.outputs)} outputs>"


Shaper = Callable[[Any], Any]


def compile_plan(declaration: Declaration, shape: Callable[[Node], Shaper | None]) -> Plan:
    """Checks a graph and compiles it; a `GraphError` lists everything that is wrong with it.

    `shape` gives what a node's data goes through, if anything; it raises a `TypeError` or `ValueError` for options
    that make no sense.
    """
    graph_id = declaration.graph_id
    population = Population(declaration)
    wires = wire(population)
    roots = {population.find(root, "add_root") for root in declaration.roots}
    problems = [
        *validate.options(graph_id, population.nodes),
        *_shape_all(graph_id, wires, shape),
        *population.problems,
        *validate.reachability(graph_id, wires, roots),
        *validate.cycles(graph_id, wires),
        *validate.sinks(graph_id, wires),
        *validate.body(graph_id, declaration.body, population.index),
    ]
    if problems:
        raise GraphError(problems)
    body = None if declaration.body is None else population.index[declaration.body]
    return assemble(graph_id, wires, default_outputs(wires), declaration.timeout, body)


def _shape_all(graph_id: str, wires: Iterable[Wire], shape: Callable[[Node], Shaper | None]) -> Iterator[str]:
    for found in wires:
        try:
            shaper = shape(found.node)
        except (TypeError, ValueError) as error:
            yield f"{graph_id}.{found.node.id}: {error}"
        else:
            if shaper is not None:
                found.call.function = shaped(found.call.function, shaper)


def default_outputs(wires: Sequence[Wire]) -> dict[int, str | None]:
    """The outputs of a graph: node to key, in the order of declaration; `None` for the root."""
    taken = {parent for found in wires if not found.sink for parent in found.parents()}
    standing_in = {found.fallback for found in wires}
    outputs: dict[int, str | None] = {}
    for found in wires:
        output = found.node.option("output")
        if output is None:  # leaves, except those whose data is another node's
            output = found.index not in taken and found.index not in standing_in
        if output is not False and not found.sink:
            outputs[found.index] = output if isinstance(output, str) else None
    return outputs


def assemble(
    graph_id: str,
    wires: Sequence[Wire],
    outputs: Mapping[int, str | None],
    timeout: float | None,
    body: int | None = None,
    only: Container[int] | None = None,
) -> Plan:
    """Lays out a plan for some of the wires (`None`: for all); sinks stand apart."""
    wanted = [found.index for found in wires if only is None or found.index in only]
    keep = [index for index in wanted if not wires[index].sink]
    sinks = [index for index in wanted if wires[index].sink]
    places = {old: new for new, old in enumerate(keep)}
    kept, after_all = renumber(wires, keep, sinks)
    size = len(kept)
    children: list[list[int]] = [[] for _ in range(size)]
    needers: list[list[int]] = [[] for _ in range(size)]
    waiting = [0] * size
    served_by: dict[int, list[int]] = {}
    for found in kept:
        for parent in dict.fromkeys([*found.parents(), *found.after]):
            children[parent].append(found.index)
            waiting[found.index] += 1
        for parent in _needed(found):
            needers[parent].append(found.index)
        if found.fallback is not None:
            served_by.setdefault(found.fallback, []).append(found.index)
    for stand_in in served_by:
        waiting[stand_in] += 1  # the gate, which the first failure of a node that it serves opens
    # What a run reads for every node is made in one go, so that it lies side by side: in a large graph, most of the
    # time goes into fetching it from memory.
    numbers = list(range(size))
    ids = tuple([f"{found.node.id} "[:-1] for found in kept])
    shapes = [_shape(found) for found in kept]
    functions = [_again(function) for _, function, _, _ in shapes]
    calls = [
        (shape, function, numbers[a], numbers[b]) for (shape, _, a, b), function in zip(shapes, functions, strict=True)
    ]
    return Plan(
        graph_id,
        tuple(wires),
        tuple(_step(found) for found in kept),
        tuple(calls),
        ids,
        {id: index for index, id in enumerate(ids)},
        tuple([tuple([numbers[child] for child in found]) for found in children]),
        tuple(map(tuple, needers)),
        Blank.of(waiting, [found.node.waits for found in kept]),
        bytes(found.node.waits for found in kept),
        bytes(found.index in served_by or found.fallback is not None for found in kept),
        {stand_in: tuple(served) for stand_in, served in served_by.items()},
        tuple((places[index], key) for index, key in outputs.items()),
        None if body is None else places.get(body),
        tuple((_step(found), tuple(_needed(found))) for found in after_all),
        timeout,
        tuple(_sheddable(kept)),
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
        _flyer(found),
    )


def _sheddable(wires: Iterable[Wire]) -> Iterator[tuple[float, int]]:
    for found in wires:
        criticality = found.node.option("criticality")
        if found.node.option("optional") and criticality < 1:
            yield criticality, found.index


def _flyer(found: Wire) -> Flyer | None:
    if found.when is not None or found.node.option("timeout") is not None:
        return None
    return flyer_of(found.call.function)


def _again(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; a method, which is an object of its own, as a new one."""
    return MethodType(function.__func__, function.__self__) if type(function) is MethodType else function


def _shape(found: Wire) -> tuple[int, Callable[..., Any], int, int]:
    call = found.call
    if _flyer(found) is not None:
        return FLIGHT, call.function, 0, 0
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
