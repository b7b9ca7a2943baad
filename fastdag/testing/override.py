"""Overriding nodes of a graph: other functions, data or failures in their places, and nothing else changed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fastdag.context import SCOPE
from fastdag.graph import Graph
from fastdag.node import COPIED, FunctionNode, Node
from fastdag.nodes.each import EachNode
from fastdag.nodes.include import Included
from fastdag.signature import Parameters
from fastdag.wiring import Declaration, Population

__all__ = ["override", "substituted"]

_PER_ELEMENT = {"item", "index", "key"}

Substitute = Callable[[Node], Callable[..., Any]]


@contextmanager
def override(graph: Graph, nodes: Mapping[str, Any] | None = None, /, **more: Any) -> Iterator[None]:
    """Run other functions in place of some nodes, by id; ids that are no identifiers go into a mapping.

        with override(page, offer=lambda product: {"price": 0}, reviews=[], ads=TimeoutError()):
            page.run(context)

    - A function gets what it names: `context`, and the node's own arguments; `item`, `index` and `key` of every
      element, where the node has `each=`. An exception, or a class of them, is raised; anything else is data.
    - The graph keeps its shape: edges, options, fallbacks, `when=`, timeouts and outputs are the node's own.
    - It holds for graphs that include this one, too. A node that this graph includes has its id in this graph.

    An unknown id is a `KeyError`, and a function that wants what the node does not get a `TypeError`, at once.
    """
    wanted = {**(nodes or {}), **more}
    for id, stand_in in wanted.items():
        _check(graph[id], stand_in)
    with substituted(graph, {id: _substitute(stand_in) for id, stand_in in wanted.items()}):
        yield


@contextmanager
def substituted(graph: Graph, functions: Mapping[str, Substitute]) -> Iterator[None]:
    """Compile a graph with other functions for some nodes, made from the node; as it was afterwards.

    Whoever reads the graph, as the compiler and graphs that include it do, gets its nodes with these functions. So
    it makes no difference if it is changed meanwhile.
    """
    before = vars(graph).get("declaration")
    declare = graph.declaration
    touched: dict[int, tuple[Node, Any]] = {}

    def declaration() -> Declaration:
        found = declare()
        for node in Population(found).nodes:
            if node.id in functions:
                _, own = touched.setdefault(id(node), (node, vars(node).get("function")))
                _put(node, "function", own)
                function = functions[node.id](node)
                _put(node, "function", lambda function=function: function)
        return found

    _put(graph, "declaration", declaration)
    graph.invalidate()
    try:
        graph.compile()
        yield
    finally:
        _put(graph, "declaration", before)
        for node, own in touched.values():
            _put(node, "function", own)
            node._changed()  # it may be a node of other graphs, which have compiled it meanwhile
        graph.invalidate()


def _put(thing: Any, method: str, own: Any) -> None:
    """Give an object a method of its own in place of its class's; `None` takes it away again."""
    vars(thing).pop(method, None)
    if own is not None:
        vars(thing)[method] = own


def _check(node: Node, stand_in: Any) -> None:
    if not callable(stand_in) or _is_error(stand_in):
        return
    accepts = node.parameters()
    if accepts.any_positional or accepts.any_keyword:
        return  # parents come by edges, under names that only those know
    offered = _offered(node, accepts)
    wants = inspect.signature(stand_in).parameters.values()
    missing = [
        p.name
        for p in wants
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in offered
    ]
    if missing:
        raise TypeError(
            f"the stand-in for {node.id!r} wants {', '.join(missing)}, which the node does not get; "
            f"it gets {', '.join(sorted(offered))}"
        )


def _offered(node: Node, accepts: Parameters) -> set[str]:
    each = _original(node)
    names = {param.implies or param.name for param in accepts.params}
    names |= {param.name for param in accepts.params if param.keyword}
    return names | {"context"} | (_PER_ELEMENT if isinstance(each, EachNode) else set())


def _original(node: Node) -> Node:
    while isinstance(node, Included):
        node = node.inner
    return node


def _is_error(stand_in: Any) -> bool:
    return isinstance(stand_in, BaseException) or (isinstance(stand_in, type) and issubclass(stand_in, BaseException))


def _substitute(stand_in: Any) -> Substitute:
    if _is_error(stand_in):
        return lambda _node: _raising(stand_in)
    if not callable(stand_in):
        return lambda _node: lambda *_args, **_parents: _fresh(stand_in)
    return lambda node: _calling(_original(node), stand_in)


def _raising(error: Any) -> Callable[..., Any]:
    def fail(*_args: Any, **_parents: Any) -> Any:
        raise error

    return fail


def _fresh(data: Any) -> Any:
    """Data of its own for every run, as with a fallback."""
    return copy.deepcopy(data) if isinstance(data, COPIED) else data


def _calling(node: Node, function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls a function with what it names of what the node is given."""
    wants = inspect.signature(function).parameters
    if isinstance(node, EachNode) and _PER_ELEMENT & set(wants):
        return _for_each(node, function, wants)
    own = inspect.signature(type(node).function(node))  # and not that of another stand-in

    def call(*args: Any, **parents: Any) -> Any:
        given: dict[str, Any] = {}
        for name, value in own.bind(*args, **parents).arguments.items():
            kind = own.parameters[name].kind
            given.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
        if isinstance(node, EachNode):
            given[node.source] = args[1]
        return _call_with(function, wants, given)

    return call


def _for_each(node: EachNode, function: Callable[..., Any], wants: Mapping[str, Any]) -> Callable[..., Any]:
    def element(context: Any, *, item: Any, index: Any, key: Any, **parents: Any) -> Any:
        return _call_with(function, wants, {"item": item, "index": index, "key": key, **parents})

    inner = FunctionNode(element, node.id)
    each = EachNode(
        inner,
        node.each,
        concurrency=node.concurrency,
        max_items=node.max_items,
        on_item_error=node.on_item_error,
    )
    return each.function()


def _call_with(function: Callable[..., Any], wants: Mapping[str, Any], given: dict[str, Any]) -> Any:
    scope = SCOPE.get()
    given["context"] = None if scope is None else scope.context
    if any(p.kind is p.VAR_KEYWORD for p in wants.values()):
        return function(**given)
    return function(**{name: given[name] for name in wants if name in given})
