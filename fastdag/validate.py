"""What makes a graph impossible to run. Every check returns what it finds; nothing stops at the first problem.

Each message names the graph, the node or the path, and the fix; `tests/bad_graphs/` holds one graph for each.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from fastdag.deadline import check_seconds
from fastdag.node import COPIED, RESERVED, Node, is_node, is_reference, near
from fastdag.signature import REQUIRED, wrong_kind
from fastdag.wiring import Wire

__all__ = ["body", "cycles", "options", "reachability", "sinks", "waits_for"]


def options(graph_id: str, nodes: Iterable[Node]) -> Iterator[str]:
    """Reserved ids, and options that no node can have."""
    for node in nodes:
        where = f"{graph_id}.{node.id}"
        if node.id in RESERVED:
            yield f"{graph_id}: {node.id!r} is reserved, references like {{{node.id}.x}} mean the request; rename it"
        functions = {"" if node.self_rooting else "load": node.function()}  # a function node is its function
        when, fallback, output = node.option("when"), node.option("fallback"), node.option("output")
        if when is not None and not callable(when):
            yield f"{where} has when={when!r}; when= takes a function over context and parents, or None"
        else:
            functions["when="] = when
        if callable(fallback) and not is_node(fallback):
            functions["fallback="] = fallback
        for name, function in functions.items():
            wrong = wrong_kind(function)
            if wrong:
                yield f"{where}: {name} {wrong}" if name else f"{where} {wrong}"
        if not (output is None or isinstance(output, bool) or (isinstance(output, str) and output)):
            yield f"{where} has output={output!r}; output= takes True, False or a key"
        for flag in ("optional", "sink"):
            if not isinstance(node.option(flag), bool):
                yield f"{where} has {flag}={node.option(flag)!r}; {flag}= takes True or False"
        criticality = node.option("criticality")
        if isinstance(criticality, bool) or not isinstance(criticality, (int, float)) or not 0 <= criticality <= 1:
            yield f"{where} has criticality={criticality!r}; criticality= takes a number from 0 (first to go) to 1"
        yield from _fallback(where, fallback)
        yield from _after(where, node.option("after"))
        yield from _timeout(where, node.option("timeout"))
        yield from (f"{where} {problem}" for problem in node.problems())


def _fallback(where: str, value: Any) -> Iterator[str]:
    try:
        copy.deepcopy(value if isinstance(value, COPIED) else None)
    except Exception as error:
        yield f"{where} has a fallback= that cannot be copied for every run ({error}); make it a function"


def _after(where: str, value: Any) -> Iterator[str]:
    if value is not None and not is_reference(value):
        several = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
        for other in several:
            if not is_reference(other):
                yield f"{where} has after={other!r}; after= takes nodes, Node subclasses and ids, one or several"


def _timeout(where: str, value: Any) -> Iterator[str]:
    try:
        check_seconds("timeout=", value)
    except (TypeError, ValueError) as error:
        yield f"{where}: {error}"


def reachability(graph_id: str, wires: Sequence[Wire], roots: Container[int | None]) -> Iterator[str]:
    """No nodes at all, roots with parents, and nodes that no root leads to."""
    if not wires:
        yield f"{graph_id}: the graph is empty; add a node with fetch, node or add_root"
    standing_in = {wire.fallback for wire in wires}
    for wire in wires:
        node, parents = wire.node, wire.parents()
        if wire.index in roots and parents:
            names = ", ".join(repr(wires[parent].node.id) for parent in parents)
            yield f"{graph_id}.{node.id} is a root and takes no parents, but has {names}; remove one or the other"
        lonely = not parents and not wire.after and wire.index not in standing_in
        if lonely and wire.index not in roots and not node.self_rooting:
            yield f"{graph_id}.{node.id} is unreachable: it has no parents; make it a root with add_root({node.id!r})"


def waits_for(wires: Sequence[Wire]) -> list[list[int]]:
    """What each node waits for: parents, the nodes it runs after, and the one it stands in for.

    A node that stands in for several starts when the first of them fails, and so waits for none in particular.
    """
    found = [list(dict.fromkeys([*wire.parents(), *wire.after])) for wire in wires]
    owners = Counter(wire.fallback for wire in wires)
    for wire in wires:
        if wire.fallback is not None and owners[wire.fallback] == 1 and wire.index not in found[wire.fallback]:
            found[wire.fallback].append(wire.index)
    # Who waits for a node waits for the node that stands in for it, too.
    for wire in wires:
        for before in tuple(found[wire.index]):
            chain = wires[before].fallback
            while chain is not None and chain not in found[wire.index] and chain != wire.index:
                found[wire.index].append(chain)
                chain = wires[chain].fallback
    return found


def cycles(graph_id: str, wires: Sequence[Wire]) -> Iterator[str]:
    """One message for each way round in a circle, as a path that starts and ends at the same node."""
    for found in wires:  # `waits_for` leaves these out: a node that stands in does wait, for a failure
        spare = None if found.fallback is None else wires[found.fallback]
        if spare is not None and found.index in (*spare.parents(), *spare.after):
            yield f"{graph_id}: cycle {found.node.id} -> {spare.node.id} -> {found.node.id}"
    yield from _shared_stand_ins(graph_id, wires)
    parents = waits_for(wires)
    left = _stuck(parents)
    while left:
        path = _walk_back(parents, left)
        yield f"{graph_id}: cycle {' -> '.join(wires[index].node.id for index in path)}"
        left -= set(path)
        left = _stuck([[p for p in parents[i] if p in left] if i in left else [] for i in range(len(parents))])


def _shared_stand_ins(graph_id: str, wires: Sequence[Wire]) -> Iterator[str]:
    """One that stands in for several, none of which fails, ends after all of them: none of them may wait for it."""
    owners = Counter(wire.fallback for wire in wires if wire.fallback is not None)
    shared = [index for index, count in owners.items() if count > 1]
    if not shared:
        return
    followers: list[list[int]] = [[] for _ in wires]
    for wire in wires:
        for before in (*wire.parents(), *wire.after):
            followers[before].append(wire.index)
    for spare in shared:
        came = {spare: spare}  # from where a node was reached
        queue = [spare]
        for at in queue:
            new = [index for index in followers[at] if index not in came]
            came.update(dict.fromkeys(new, at))
            queue.extend(dict.fromkeys(new))
        owner = next((index for index in queue if wires[index].fallback == spare), None)
        if owner is not None:
            path = [spare, owner]
            while path[-1] != spare:
                path.append(came[path[-1]])
            yield f"{graph_id}: cycle {' -> '.join(wires[index].node.id for index in reversed(path))}"


def _stuck(parents: Sequence[Sequence[int]]) -> set[int]:
    """The nodes that never get their turn if each waits for its parents (Kahn 1962)."""
    waiting = [len(found) for found in parents]
    children: list[list[int]] = [[] for _ in parents]
    for index, found in enumerate(parents):
        for parent in found:
            children[parent].append(index)
    ready = [index for index, count in enumerate(waiting) if not count]
    for index in ready:
        for child in children[index]:
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return set(range(len(parents))).difference(ready)


def _walk_back(parents: Sequence[Sequence[int]], stuck: set[int]) -> list[int]:
    """From a stuck node to its stuck parents, until one comes up again; in the direction of the data."""
    seen: dict[int, int] = {}
    path: list[int] = []
    at = min(stuck)
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = next(parent for parent in parents[at] if parent in stuck)
    circle = path[seen[at] :][::-1]
    first = circle.index(min(circle))
    circle = circle[first:] + circle[:first]
    return [*circle, circle[0]]


def body(graph_id: str, name: str | None, ids: Iterable[str]) -> Iterator[str]:
    """A `body=` that points nowhere."""
    known = set(ids)
    if name is not None and name not in known:
        yield f"{graph_id}: body= names {name!r}, which is no node{near(name, known)}"


def sinks(graph_id: str, wires: Sequence[Wire]) -> Iterator[str]:
    """Nodes that take from a sink, which runs only after all of them; and sinks with a fallback."""
    for wire in wires:
        if wire.sink and wire.node.option("fallback") is not REQUIRED:
            yield f"{graph_id}.{wire.node.id} is a sink, whose data nobody takes: fallback= has nothing to do; drop it"
        for index in dict.fromkeys([*wire.parents(), *wire.after, wire.fallback]):
            if index is not None and wires[index].sink:
                yield (
                    f"{graph_id}.{wire.node.id} cannot wait for {wires[index].node.id!r}, which is a sink and "
                    "runs after the answer; make it a plain node"
                )
