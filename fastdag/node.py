"""Nodes: what a graph is made of, how they are joined, and what their functions accept."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MethodType
from typing import Any, TypedDict, TypeVar, Union, Unpack, get_type_hints
from weakref import WeakSet

from fastdag.deadline import check_seconds
from fastdag.signature import REQUIRED, Parameters

__all__ = [
    "COPIED",
    "RESERVED",
    "Edge",
    "FunctionNode",
    "Node",
    "NodeOptions",
    "NodeRef",
    "add_child",
    "add_parent",
    "is_node",
    "is_reference",
    "near",
    "reference_id",
]

#: Fallback values of these types are copied for every run, so that no run sees what another did to them.
COPIED = (dict, list, set, bytearray)

RESERVED = frozenset({"context", "path", "query", "headers", "json", "body", "state", "item", "index", "key"})

NodeRef = Union["Node", type["Node"], str]


class NodeOptions(TypedDict, total=False):
    """The options of every node, whatever its kind; see `Node`."""

    optional: bool
    fallback: Any
    when: Callable[..., Any] | None
    timeout: float | None
    after: NodeRef | Sequence[NodeRef]
    output: bool | str | None
    sink: bool
    criticality: float
    target: str | None
    pick: Sequence[str] | None
    omit: Sequence[str] | None
    rename: Mapping[str, str] | None
    group: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """A parent's data goes to a child, under a name or in the order in which the edges were made."""

    parent: NodeRef
    child: NodeRef
    argument: str | None
    order: int


_order = itertools.count()


class Node:
    """A step of a graph: takes the context and its parents' data, and may return data.

    Subclass it and define `load(self, context, ...)` (or `resolve`, which works the same). One node serves any
    number of requests at once: keep nothing on `self` while it runs.

    Options, as keyword arguments or as class attributes:

    - `optional`: its failure does not fail the run.
    - `fallback`: answers when the node fails or lacks a parent: a value (copied for every run), a callable
      `(context, error)`, or another node, which then runs only on failure.
    - `when`: a predicate over `context` and parents, bound by name; if false, the node is skipped.
    - `timeout`: seconds, enforced from outside; `None` leaves the run's deadline.
    - `after`: nodes whose end, whatever it was, this one waits for.
    - `output`: `True` merges the data into the answer, `"key"` puts it under that key, `False` keeps it
      internal; `None`, the default, is `True` for leaves and `False` for the rest.
    - `criticality`: 0 to 1, for optional nodes: under pressure, those that matter least are dropped first (`shed`).
    - `sink`: runs after the answer is decided, and neither delays nor fails it.
    - `target`, `pick` or `omit`, `rename`, `group`, in this order, shape the data: what it is narrowed to, the paths
      that stay or go, new names for some, and a key to put it under. Paths are dotted and go through lists.
    """

    id: str
    optional: bool = False
    fallback: Any = REQUIRED
    when: Callable[..., Any] | None = None
    timeout: float | None = None
    after: Any = ()
    output: bool | str | None = None
    sink: bool = False
    criticality: float = 0.5
    target: str | None = None
    pick: Sequence[str] | None = None
    omit: Sequence[str] | None = None
    rename: Mapping[str, str] | None = None
    group: str | None = None

    #: Whether the node mostly waits for others: among ready nodes these start first.
    waits = False
    #: Whether the node is a root by itself when it has no parents.
    self_rooting = False

    _edges: list[Edge]
    _graphs: WeakSet[Any]
    _declared_edges: tuple[tuple[str, NodeRef, str | None], ...] = ()

    def __new__(cls, *_args: Any, **_options: Any) -> Node:
        # Here and not in __init__, which subclasses override without calling ours.
        self = super().__new__(cls)
        edges: list[Edge] = []
        object.__setattr__(self, "_edges", edges)
        object.__setattr__(self, "_graphs", WeakSet())
        self.id = getattr(cls, "id", None) or cls.__name__
        for kind in reversed(cls.__mro__):
            for side, other, argument in vars(kind).get("_declared_edges", ()):
                ends: tuple[NodeRef, NodeRef] = (other, self) if side == "parent" else (self, other)
                edges.append(Edge(*ends, argument, next(_order)))
        return self

    def __init__(self, id: str | None = None, **options: Unpack[NodeOptions]) -> None:
        if id is not None:
            if not isinstance(id, str) or not id:
                raise TypeError(f"a node's id is a non-empty string, not {id!r}")
            self.id = id
        for name, value in options.items():
            if name not in NodeOptions.__annotations__:
                raise TypeError(f"{self.id}: no option is called {name!r}{near(name, NodeOptions.__annotations__)}")
            setattr(self, name, value)
        check_seconds(f"{self.id}: timeout", self.timeout)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in NodeOptions.__annotations__ or name == "id":
            self._changed()

    def belongs_to(self, graph: Any) -> None:
        """From now on the graph is told (`invalidate`) when this node changes."""
        self._graphs.add(graph)

    def _changed(self) -> None:
        for graph in self._graphs:
            graph.invalidate()

    def load(self, context: Any, *args: Any, **parents: Any) -> Any:
        """Produce the node's data from the context and the parents' data. The base class produces nothing."""
        return None

    def parameters(self) -> Parameters:
        """What the node's function accepts; asked for once, when a graph is compiled."""
        return Parameters.of(self.function(), by_name=False)

    def function(self) -> Callable[..., Any]:
        """What is called to run the node: `load`, or `resolve` where the subclass defines that instead."""
        names = (name for kind in type(self).__mro__ for name in ("load", "resolve") if name in vars(kind))
        found: Callable[..., Any] = getattr(self, next(names))
        return found

    def result_type(self) -> Any:
        """What the node gives, before it is shaped, as far as annotations tell; `Any` if they do not."""
        try:
            return get_type_hints(self.function(), include_extras=True).get("return", Any)
        except (NameError, TypeError):  # a name that is only there for type checkers, or a callable object
            return Any

    def option(self, name: str) -> Any:
        """An option's value. A function that a class holds is a method only if its first parameter is `self`."""
        value = getattr(self, name)
        if isinstance(value, MethodType) and value.__self__ is self and name not in vars(self):
            first = next(iter(inspect.signature(value.__func__).parameters), None)
            return value if first == "self" else value.__func__
        return value

    def scoped(self, name: str) -> str:
        """The id, in the graph, of what this node's functions and templates call by a name."""
        return name

    def explain(self, context: Any) -> dict[str, Any]:
        """What this node's kind can tell about its work for a context, without doing it."""
        return {}

    def problems(self) -> list[str]:
        """What is wrong with this node by itself, asked for when a graph is compiled."""
        return []

    def add_parent(self, parent: NodeRef, argument_name: str | None = None) -> None:
        """Pass a parent's data to this node, under `argument_name` or by position."""
        _join(parent, self, argument_name)

    def add_child(self, child: NodeRef, argument_name: str | None = None) -> None:
        """Pass this node's data to a child, under `argument_name` or by position."""
        _join(self, child, argument_name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r}>"


def _join(parent: NodeRef, child: NodeRef, argument: str | None) -> None:
    for end in (parent, child):
        if not is_reference(end):
            raise TypeError(f"an edge joins nodes, Node subclasses or ids, not {end!r}")
    if argument is not None and not (isinstance(argument, str) and argument.isidentifier()):
        raise TypeError(f"an argument name is an identifier, or None to pass by position; not {argument!r}")
    edge = Edge(parent, child, argument, next(_order))
    for end in (parent,) if parent is child else (parent, child):
        if isinstance(end, Node):
            end._edges.append(edge)
            end._changed()


class FunctionNode(Node):
    """A function as a node: `context` receives the context, every other parameter names its parent."""

    self_rooting = True

    def __init__(self, function: Callable[..., Any], id: str | None = None, **options: Unpack[NodeOptions]) -> None:
        if not callable(function):
            raise TypeError(f"a function node needs a function, not {function!r}")
        name = id or getattr(function, "__name__", None)
        if not name or name == "<lambda>":
            raise TypeError(f"{function!r} has no name of its own; give it one with id=")
        self._function = function
        super().__init__(name, **options)

    def function(self) -> Callable[..., Any]:
        return self._function

    def parameters(self) -> Parameters:
        return Parameters.of(self._function, by_name=True)


Class = TypeVar("Class", bound=type[Node])


def add_parent(id: NodeRef, argument_name: str | None = None) -> Callable[[Class], Class]:
    """Class decorator: nodes of this class take the data of the node with that id. Stacks, read from the top."""
    return _declare("parent", id, argument_name)


def add_child(id: NodeRef, argument_name: str | None = None) -> Callable[[Class], Class]:
    """Class decorator: nodes of this class give their data to the node with that id. Stacks, read from the top."""
    return _declare("child", id, argument_name)


def _declare(side: str, other: NodeRef, argument: str | None) -> Callable[[Class], Class]:
    if not is_reference(other):
        raise TypeError(f"@add_{side} names a node by its id, not {other!r}")
    if argument is not None and not (isinstance(argument, str) and argument.isidentifier()):
        raise TypeError(f"an argument name is an identifier, or None to pass by position; not {argument!r}")

    def decorate(cls: Class) -> Class:
        if not (isinstance(cls, type) and issubclass(cls, Node)):
            raise TypeError(f"@add_{side} decorates a subclass of Node, not {cls!r}")
        # Decorators apply from the bottom up, so each new one goes to the front.
        cls._declared_edges = ((side, other, argument), *vars(cls).get("_declared_edges", ()))
        return cls

    return decorate


def is_node(value: Any) -> bool:
    """Whether a value is a node or a class of nodes."""
    return isinstance(value, Node) or (isinstance(value, type) and issubclass(value, Node))


def is_reference(value: Any) -> bool:
    """Whether a value can stand for a node: a node, a class of nodes, or an id."""
    return is_node(value) or (isinstance(value, str) and bool(value))


def reference_id(reference: NodeRef) -> str:
    """The id that a node, a class of nodes or an id stands for."""
    if isinstance(reference, str):
        return reference
    if isinstance(reference, Node):
        return reference.id
    return getattr(reference, "id", None) or reference.__name__


def near(name: str, known: Mapping[str, Any] | Sequence[str] | set[str]) -> str:
    """A hint at the end of a message: the known name that was probably meant."""
    found = get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
