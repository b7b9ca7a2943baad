"""What a graph does that its author probably did not mean. It runs all the same; `plan.lint()` says so."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fastdag.node import Node
from fastdag.wiring import Arguments, Wire

__all__ = ["lint"]


def lint(
    graph_id: str, wires: Sequence[Wire], outputs: Mapping[int, str | None], timeout: float | None
) -> Iterator[str]:
    """One sentence for each finding, with the node and the fix."""
    ids = [found.node.id for found in wires]
    yield from _unused_parents(graph_id, wires, ids)
    yield from _needless_order(graph_id, wires, ids)
    yield from _collisions(graph_id, ids, outputs)
    for found in wires:
        if found.node.option("criticality") != Node.criticality and not found.node.option("optional"):
            yield f"{graph_id}.{found.node.id} has criticality=, but only optional nodes are dropped; make it optional"
    yield from _unused_nodes(graph_id, wires, outputs)
    for found in wires:
        seconds = found.node.option("timeout")
        if timeout is not None and seconds is not None and seconds >= timeout and not found.sink:
            yield (
                f"{graph_id}.{found.node.id} has timeout={seconds:g}, which the run's {timeout:g} s cut short; "
                "lower it, or raise the graph's"
            )


def _unused_parents(graph_id: str, wires: Sequence[Wire], ids: Sequence[str]) -> Iterator[str]:
    for found in wires:
        for name, parent in _unused(found.call):
            yield (
                f"{graph_id}.{ids[found.index]} takes {name!r} from {ids[parent]!r} and never uses it; without it, "
                "it could start earlier (after= keeps the order, if that is what it is for)"
            )


def _unused(call: Arguments) -> Iterator[tuple[str, int]]:
    function: Any = getattr(call.function, "__func__", call.function)
    code = getattr(function, "__code__", None)
    if code is None:
        return
    bound = getattr(call.function, "__self__", None) is not None
    places = code.co_varnames[bound + (call.context == "first") : code.co_argcount]
    used = _loaded(function)
    arguments = [*zip(places, call.positional, strict=False), *call.named]
    for name, link in arguments:
        if name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] and name not in used:
            yield name, link.parent


def _loaded(function: Callable[..., Any]) -> set[str]:
    """The local variables that a function reads, itself or in a function inside it."""
    names = set(function.__code__.co_cellvars)
    for instruction in dis.get_instructions(function):
        if instruction.opname.startswith("LOAD_FAST") or instruction.opname.startswith("STORE_FAST_LOAD"):
            value = instruction.argval
            names.update(value if isinstance(value, tuple) else (value,))
    return names


def _needless_order(graph_id: str, wires: Sequence[Wire], ids: Sequence[str]) -> Iterator[str]:
    for found in wires:
        parents = set(found.parents())
        for before in found.after:
            if before in parents:
                yield (
                    f"{graph_id}.{ids[found.index]} has after={ids[before]!r}, whose data it waits for anyway; drop it"
                )


def _collisions(graph_id: str, ids: Sequence[str], outputs: Mapping[int, str | None]) -> Iterator[str]:
    by_key: dict[str, list[str]] = {}
    for index, key in outputs.items():
        by_key.setdefault(key or ids[index], []).append(ids[index])
    for key, nodes in by_key.items():
        if len(nodes) > 1:
            yield f"{graph_id}: {' and '.join(nodes)} all put their data under {key!r}; the last one wins"


def _unused_nodes(graph_id: str, wires: Sequence[Wire], outputs: Mapping[int, str | None]) -> Iterator[str]:
    wanted = set(outputs) | {found.fallback for found in wires}
    for found in wires:
        wanted.update(found.parents(), found.after)
    for found in wires:
        if found.index not in wanted and not found.sink:
            yield (
                f"{graph_id}.{found.node.id} runs, but nothing takes its data and it is no output; "
                "remove it, or make it a sink"
            )
