"""From declared nodes to wires: who is in a graph, in which order, and whose data goes to which argument.

Nothing is refused here; whatever is wrong is written down, so that all of it can be told at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastdag.node import Edge, Node, NodeRef, is_node, is_reference, near, reference_id
from fastdag.signature import REQUIRED, Param, Parameters

__all__ = ["Arguments", "Declaration", "Link", "Population", "Wire", "make", "references", "renumber", "wire"]


@dataclass(frozen=True, slots=True)
class Link:
    """One argument: the parent it comes from, what stands in when that has no data, and whether it is an outcome."""

    parent: int
    default: Any = REQUIRED
    outcome: bool = False

    @property
    def needed(self) -> bool:
        """Whether the argument cannot be had without the parent's data."""
        return self.default is REQUIRED and not self.outcome


@dataclass(slots=True)
class Arguments:
    """How one function is called: with the context or not, and with which parents' data, by position and by name."""

    function: Callable[..., Any]
    context: str | None = "first"
    positional: list[Link] = field(default_factory=list)
    named: list[tuple[str, Link]] = field(default_factory=list)

    def links(self) -> Iterator[Link]:
        yield from self.positional
        for _, link in self.named:
            yield link


@dataclass(slots=True)
class Wire:
    """One node in its place: its call, its predicate's call, and what else it is tied to, as indices."""

    node: Node
    index: int
    call: Arguments
    when: Arguments | None = None
    after: list[int] = field(default_factory=list)
    fallback: int | None = None
    sink: bool = False
    _parents: list[int] | None = None

    def parents(self) -> list[int]:
        """The nodes whose data or outcome this one takes, without repetition; asked for once it is complete."""
        if self._parents is None:
            links = [*self.call.links(), *(self.when.links() if self.when else ())]
            self._parents = list(dict.fromkeys([link.parent for link in links]))
        return self._parents


@dataclass(frozen=True, slots=True)
class Declaration:
    """A graph as declared: nodes in order, ids of roots, nodes made for classes, and problems of included graphs."""

    graph_id: str
    nodes: Sequence[Node]
    roots: Sequence[str]
    made: dict[type[Node], Node]
    body: str | None = None
    timeout: float | None = None
    problems: Sequence[str] = ()


class Population:
    """The nodes of a graph, by id and in the order of declaration; then those known only by edges, breadth first."""

    def __init__(self, declaration: Declaration) -> None:
        self.graph_id = declaration.graph_id
        self.problems = list(dict.fromkeys(declaration.problems))  # a graph can be included twice
        self.nodes: list[Node] = []
        self.index: dict[str, int] = {}
        self._made = declaration.made
        self._unknown: set[tuple[str, str]] = set()
        queue = deque([node for node in declaration.nodes if self._admit(node)])
        while queue:
            queue.extend(found for found in self._neighbours(queue.popleft()) if self._admit(found))

    def _admit(self, node: Node) -> bool:
        at = self.index.setdefault(node.id, len(self.nodes))
        if at == len(self.nodes):
            self.nodes.append(node)
            return True
        if self.nodes[at] is not node:
            problem = f"{self.graph_id}: two nodes have the id {node.id!r}; give one of them another"
            if problem not in self.problems:
                self.problems.append(problem)
        return False

    def _neighbours(self, node: Node) -> Iterator[Node]:
        joined = [edge.child if edge.parent is node else edge.parent for edge in node._edges]
        for other in (*joined, node.option("fallback"), *references(node.option("after"))):
            if is_node(other):
                yield from self._instance(other)

    def _instance(self, reference: NodeRef) -> Sequence[Node]:
        if isinstance(reference, Node):
            return (reference,)
        assert isinstance(reference, type)
        known = self.index.get(reference_id(reference))
        if known is not None and isinstance(self.nodes[known], reference):
            return ()
        try:
            return (make(reference, self._made),)
        except TypeError as error:
            self.problems.append(f"{self.graph_id}: {error}")
            return ()

    def find(self, reference: NodeRef, where: str) -> int | None:
        """The index that a reference stands for; an unknown one is written down once."""
        name = reference_id(reference)
        index = self.index.get(name)
        if index is None and (name, where) not in self._unknown:
            self._unknown.add((name, where))
            self.problems.append(f"{self.graph_id}: {where} names {name!r}, which is no node{near(name, self.index)}")
        return index

    def edges(self) -> list[Edge]:
        """Every edge between these nodes, once, in the order in which they were made."""
        unique = {edge.order: edge for node in self.nodes for edge in node._edges}
        return [unique[order] for order in sorted(unique)]


def make(cls: type[Node], made: dict[type[Node], Node]) -> Node:
    """The one node that stands for a class in a graph."""
    if cls not in made:
        try:
            made[cls] = cls()
        except TypeError as error:
            raise TypeError(f"{cls.__name__} cannot be made without arguments; pass a node of it ({error})") from error
    return made[cls]


def references(value: Any) -> list[NodeRef]:
    """One reference or several, or none, as a list; what is no reference is left to validation."""
    several = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return [found for found in several if is_reference(found)]


def wire(population: Population) -> list[Wire]:
    """Ties every argument of every node to a parent. What cannot be tied is in `population.problems` afterwards."""
    incoming: list[list[tuple[int, str | None]]] = [[] for _ in population.nodes]
    for edge in population.edges():
        parent = population.find(edge.parent, f"an edge to {reference_id(edge.child)!r}")
        child = population.find(edge.child, f"an edge from {reference_id(edge.parent)!r}")
        if parent is not None and child is not None and (parent, edge.argument) not in incoming[child]:
            incoming[child].append((parent, edge.argument))
    return [_wire_one(population, index, incoming[index]) for index in range(len(population.nodes))]


def _wire_one(population: Population, index: int, incoming: list[tuple[int, str | None]]) -> Wire:
    node = population.nodes[index]
    binder = _Binder(population, node)
    found = Wire(node, index, binder.bind(node.function(), binder.read(node.parameters), incoming))
    predicate = node.option("when")
    if predicate is not None and callable(predicate):
        binder.what = "when="
        accepts = binder.read(lambda: Parameters.of(predicate, by_name=True))
        names = {param.name for param in accepts.params}
        # Besides ids it knows the argument names under which the node itself gets its parents.
        found.when = binder.bind(predicate, accepts, [edge for edge in incoming if edge[1] in names])
    for reference in references(node.option("after")):
        before = population.find(reference, f"{node.id}: after=")
        if before is not None:
            found.after.append(before)
    found.sink = bool(node.option("sink"))
    if is_node(fallback := node.option("fallback")):
        found.fallback = population.find(fallback, f"{node.id}: fallback=")
    return found


def renumber(wires: Sequence[Wire], keep: Sequence[int], also: Sequence[int] = ()) -> tuple[list[Wire], list[Wire]]:
    """Some of the wires, with new indices; and those of `also`, whose arguments point at them."""
    if len(keep) == len(wires):
        return list(wires), []
    places = {old: new for new, old in enumerate(keep)}

    def link(old: Link) -> Link:
        return Link(places[old.parent], old.default, old.outcome)

    def arguments(old: Arguments) -> Arguments:
        named = [(name, link(found)) for name, found in old.named]
        return Arguments(old.function, old.context, [link(found) for found in old.positional], named)

    def moved(index: int) -> Wire:
        old = wires[index]
        after = [places[before] for before in old.after if before in places]
        fallback = None if old.fallback is None else places[old.fallback]
        when = None if old.when is None else arguments(old.when)
        return Wire(old.node, places.get(index, -1), arguments(old.call), when, after, fallback, old.sink)

    return [moved(index) for index in keep], [moved(index) for index in also]


class _Binder:
    """Binds the parameters of one node's functions to parents."""

    def __init__(self, population: Population, node: Node) -> None:
        self.population = population
        self.node = node
        self.what = "load"

    def problem(self, text: str) -> None:
        self.population.problems.append(f"{self.population.graph_id}.{self.node.id} {text}")

    def read(self, parameters: Callable[[], Parameters]) -> Parameters:
        try:
            return parameters()
        except (TypeError, ValueError) as error:
            self.problem(f"has no signature that could be read ({error}); wrap it in a function of your own")
            return Parameters("first", any_positional=True, any_keyword=True)

    def bind(
        self, function: Callable[..., Any], accepts: Parameters, incoming: list[tuple[int, str | None]]
    ) -> Arguments:
        bound: dict[str, Link] = {}
        arguments = Arguments(function, accepts.context)
        spare, spare_named = self._by_edges(accepts, incoming, bound)
        gap = False
        for param in accepts.params:
            link = bound.get(param.name) or self._implied(param)
            if link is None:
                gap = gap or param.positional
            elif param.positional and not gap and (accepts.context != "context" or not param.keyword):
                arguments.positional.append(link)
            else:
                arguments.named.append((param.name, link))
        arguments.positional.extend(spare)
        arguments.named.extend(spare_named)
        return arguments

    def _by_edges(
        self, accepts: Parameters, incoming: list[tuple[int, str | None]], bound: dict[str, Link]
    ) -> tuple[list[Link], list[tuple[str, Link]]]:
        """Ties explicit edges to parameters; returns what goes into `*args` and `**kwargs`."""
        spare: list[Link] = []
        spare_named: list[tuple[str, Link]] = []
        places = iter([p for p in accepts.params if p.positional])
        by_name = {p.name: p for p in accepts.params if p.keyword}
        for parent, argument in incoming:
            parent_id = self.population.nodes[parent].id
            param = next(places, None) if argument is None else by_name.get(argument)
            if param is not None:
                self._refuse_second(param.name, bound.get(param.name), parent_id)
                bound[param.name] = Link(parent, param.default, param.outcome)
            elif argument is None and accepts.any_positional:
                spare.append(Link(parent))
            elif argument is not None and argument != "context" and accepts.any_keyword:
                self._refuse_second(argument, dict(spare_named).get(argument), parent_id)
                spare_named.append((argument, Link(parent)))
            else:
                self._unwanted(parent_id, argument, by_name)
                spare.append(Link(parent))  # a parent all the same, as far as the other checks go
        return spare, spare_named

    def _refuse_second(self, argument: str, first: Link | None, parent_id: str) -> None:
        if first is not None:
            other = self.population.nodes[first.parent].id
            self.problem(f"gets {argument!r} twice, from {other!r} and from {parent_id!r}; name another")

    def _unwanted(self, parent_id: str, argument: str | None, by_name: dict[str, Param]) -> None:
        if argument is None:
            self.problem(f"has the parent {parent_id!r}, but {self.what} takes no further argument; add one")
        else:
            self.problem(
                f"has the parent {parent_id!r} as {argument!r}, "
                f"but {self.what} takes no argument of that name{near(argument, by_name)}"
            )

    def _implied(self, param: Param) -> Link | None:
        if param.implies is not None:
            name = self.node.scoped(param.implies)
            parent = self.population.index.get(name)
            if parent is not None:
                return Link(parent, param.default, param.outcome)
            known = set(self.population.index) - {self.node.id}
            self.problem(f"wants {name!r}, which nothing provides{near(name, known)}")
        elif param.default is REQUIRED:
            self.problem(
                f"wants {param.name!r}, which nothing provides; add a parent with argument_name={param.name!r}"
            )
        return None
