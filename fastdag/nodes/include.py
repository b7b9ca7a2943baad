"""Subgraphs: the nodes of one graph inside another, under other ids and with other inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from fastdag.errors import GraphError
from fastdag.node import Edge, Node, is_node, near, reference_id
from fastdag.signature import Parameters
from fastdag.wiring import Declaration, Population, references

__all__ = ["Included", "Inclusion"]


class Declares(Protocol):
    """What a subgraph has to be able to do."""

    def declaration(self) -> Declaration: ...

    def invalidate(self) -> None: ...


class Included(Node):
    """A node of a subgraph: it runs the original, under another id and with other names for its parents."""

    def __init__(self, inner: Node, inclusion: Inclusion) -> None:
        super().__init__(inclusion.scoped(inner.id))
        self.inner = inner
        self.inclusion = inclusion
        self.waits = inner.waits
        self.self_rooting = inner.self_rooting

    def option(self, name: str) -> Any:
        value = self.inner.option(name)
        if name == "after":
            return [self.inclusion.scoped(reference_id(reference)) for reference in references(value)]
        if name == "fallback" and is_node(value):
            return self.inclusion.node(reference_id(value))
        return value

    def function(self) -> Callable[..., Any]:
        return self.inner.function()

    def parameters(self) -> Parameters:
        return self.inner.parameters()

    def result_type(self) -> Any:
        return self.inner.result_type()

    def explain(self, context: Any) -> dict[str, Any]:
        return self.inner.explain(context)

    def problems(self) -> list[str]:
        return self.inner.problems()

    def scoped(self, name: str) -> str:
        return self.inclusion.scoped(self.inner.scoped(name))


class Inclusion:
    """One `graph.include`: the other graph, a prefix for its ids, and what stands for some of its names.

    `bind={"inner": "outer"}`: what the subgraph calls `inner` is the outer graph's node `outer`.
    """

    def __init__(self, graph: Declares, prefix: str, bind: Mapping[str, str] | None, owner: Declares) -> None:
        where = owner.declaration().graph_id
        if not isinstance(prefix, str):
            raise TypeError(f"{where}: prefix= takes a string to put before the ids, not {prefix!r}")
        bind = {} if bind is None else bind
        if not isinstance(bind, Mapping) or not all(
            end and isinstance(end, str) for ends in bind.items() for end in ends
        ):
            raise TypeError(f"{where}: bind= maps names of the subgraph to ids of this graph, not {bind!r}")
        self.graph = graph
        self.owner = owner
        self.prefix = prefix
        self.bind = dict(bind)
        self._nodes: dict[str, Included] | None = None
        self._problems: list[str] = []

    def scoped(self, name: str) -> str:
        """The outer id for a name of the subgraph."""
        return self.bind.get(name, self.prefix + name)

    def node(self, id: str) -> Node:
        """The node that stands for one of the subgraph's, by its id there."""
        if id not in self.bind:
            return self._included()[id]
        outer = self.owner.declaration()
        for node in outer.nodes:
            if node.id == self.bind[id]:
                return node
        raise GraphError(f"{outer.graph_id}: bind= gives {self.bind[id]!r} for {id!r}, but no such node was added")

    def nodes(self) -> list[Included]:
        """The subgraph's nodes but those that are bound, in its order."""
        return list(self._included().values())

    def roots(self) -> list[str]:
        return [self.scoped(root) for root in self.graph.declaration().roots if root not in self.bind]

    def problems(self) -> list[str]:
        """What is wrong with the subgraph by itself, and shows nowhere else."""
        self._included()
        return self._problems

    def _unused(self, population: Population) -> Iterator[str]:
        """A binding that binds nothing is a slip of the pen."""
        known = {*population.index, *(reference_id(edge.parent) for edge in population.edges())}
        for node in population.nodes:
            accepted = [
                node.parameters(),
                *(Parameters.of(when, by_name=True) for when in [node.option("when")] if when),
            ]
            known.update(node.scoped(p.implies) for accepts in accepted for p in accepts.params if p.implies)
        for name in self.bind:
            if name not in known:
                where, what = self.owner.declaration().graph_id, self.graph.declaration().graph_id
                yield f"{where}: bind= names {name!r}, which {what} does not use{near(name, known)}"

    def forget(self) -> None:
        """The subgraph has changed."""
        self._nodes = None

    def _included(self) -> dict[str, Included]:
        if self._nodes is None:
            population = Population(self.graph.declaration())
            self._nodes = {node.id: Included(node, self) for node in population.nodes if node.id not in self.bind}
            self._problems = [*population.problems, *self._unused(population)]
            for node in population.nodes:
                node.belongs_to(self.owner)
            for edge in population.edges():
                child = self._nodes.get(reference_id(edge.child))
                if child is not None:
                    parent = self.scoped(reference_id(edge.parent))
                    child._edges.append(Edge(parent, child, edge.argument, edge.order))
        return self._nodes
