"""`Graph`: what users hold. It declares nodes, compiles them to a plan, and runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from fastdag.concurrency import warn_unless_patched
from fastdag.deadline import check_seconds
from fastdag.engine import Run
from fastdag.errors import NodeError
from fastdag.events import Instrument, Instruments
from fastdag.ledger import WITH_DATA
from fastdag.node import FunctionNode, Node, NodeOptions, NodeRef, is_node, near
from fastdag.nodes.each import EACH_OPTIONS, EachNode
from fastdag.nodes.fetch import FetchNode
from fastdag.plan import Plan, compile_plan
from fastdag.result import Result, node_data
from fastdag.shape.merge import merge_outputs
from fastdag.upstream.call import Request
from fastdag.upstream.client import Upstream
from fastdag.wiring import Population, make

__all__ = ["Graph"]

Function = TypeVar("Function", bound=Callable[..., Any])
Merge = Literal["deep", "ids"] | Callable[[dict[str, Any]], Any]

_UNSET: Any = object()


class Graph:
    """Nodes that together answer one request; each starts the moment its own parents are done.

    One graph serves any number of runs at once. Changing it makes the next run compile it anew; runs in flight keep
    their plan.

    `timeout` is the deadline of a run in seconds (`None`: no limit). `merge` says how outputs become one answer:
    `"deep"` in the order of declaration, `"ids"` as `{id: data}`, or a function from `{id: data}`. `on_conflict` is
    `"last"` (the later declared node wins) or `"error"` (the run fails). `body` names the one node whose data is the
    whole answer.
    """

    def __init__(
        self,
        id: str,
        *,
        timeout: float | None = 2.0,
        merge: Merge = "deep",
        on_conflict: Literal["last", "error"] = "last",
        body: str | None = None,
    ) -> None:
        if not isinstance(id, str) or not id:
            raise TypeError(f"a graph's id is a non-empty string, not {id!r}")
        if merge not in ("deep", "ids") and not callable(merge):
            raise ValueError(f'{id}: merge= takes "deep", "ids" or a function, not {merge!r}')
        if on_conflict not in ("last", "error"):
            raise ValueError(f'{id}: on_conflict= takes "last" or "error", not {on_conflict!r}')
        self.id = id
        self.timeout = check_seconds(f"{id}: timeout=", timeout)
        self.merge = merge
        self.on_conflict = on_conflict
        self.body = body
        self.instruments = Instruments()
        self._nodes: list[Node] = []
        self._roots: list[str] = []
        self._made: dict[type[Node], Node] = {}
        self._plan: Plan | None = None

    # -- declaring

    def add(self, *nodes: Node | type[Node]) -> None:
        """Make nodes known, so that ids resolve. They join through `add_parent` and `add_child`."""
        for node in nodes:
            if not is_node(node):
                raise TypeError(f"{self.id}: add takes nodes and Node subclasses, not {node!r}")
            self._add(make(node, self._made) if isinstance(node, type) else node)

    def add_root(self, node: NodeRef) -> None:
        """Register a root: a node, a `Node` subclass, or the id of a node that is or will be known."""
        if isinstance(node, str) and node:
            self._roots.append(node)
        elif is_node(node):
            instance = make(node, self._made) if isinstance(node, type) else node
            assert isinstance(instance, Node)
            self._add(instance)
            self._roots.append(instance.id)
        else:
            raise TypeError(f"{self.id}: a root is a node, a Node subclass or an id, not {node!r}")
        self.invalidate()

    def _add(self, node: Node) -> Node:
        if not any(known is node for known in self._nodes):
            self._nodes.append(node)
        self.invalidate()
        return node

    def fetch(self, id: str, upstream: Upstream, path: str | Callable[..., Request], **options: Any) -> Node:
        """Declare a call to an upstream; `path` and other templates refer to the request and to parents by `{id.x}`.

        Instead of a path, a function `(context, **parents) -> Request` builds the call. `FetchNode` lists the options,
        and `EachNode` those that come with `each=`.
        """
        return self._declare(lambda **own: FetchNode(id, upstream, path, **own), options)

    @overload
    def node(self, function: Function, /) -> Function: ...

    @overload
    def node(self, /, *, id: str | None = None, **options: Any) -> Callable[[Function], Function]: ...

    def node(self, function: Any = None, /, *, id: str | None = None, **options: Any) -> Any:
        """Decorator: the function is a node and stays a function. Its parameters, but `context`, name its parents.

        `Node` lists the options, and `EachNode` those that come with `each=`.
        """

        def declare(function: Function) -> Function:
            self._declare(lambda **own: FunctionNode(function, id, **own), dict(options))
            return function

        return declare if function is None else declare(function)

    def _declare(self, make_node: Callable[..., Node], options: dict[str, Any]) -> Node:
        each = {name: options.pop(name) for name in EACH_OPTIONS if name in options}
        if not each:
            return self._add(make_node(**options))
        if "each" not in each:
            raise TypeError(f"{self.id}: {', '.join(f'{name}=' for name in each)} goes with each=")
        outer = {name: options.pop(name) for name in NodeOptions.__annotations__ if name in options}
        return self._add(EachNode(make_node(**options), **each, **outer))

    def __getitem__(self, id: str) -> Node:
        population = Population(self.id, self._nodes, self._made)
        if id not in population.index:
            raise KeyError(f"{self.id} has no node {id!r}{near(id, population.index)}")
        return population.nodes[population.index[id]]

    def invalidate(self) -> None:
        """Forget the plan; called whenever the graph or one of its nodes changes."""
        self._plan = None

    def on(self, event: str, instrument: Instrument) -> None:
        """Call `instrument(name, fields)` at every event of that name; see `fastdag.events`."""
        self.instruments.on(event, instrument)

    # -- compiling and running

    def compile(self) -> Plan:
        """The plan. Raises a `GraphError` that lists everything that is wrong with the graph."""
        if self._plan is None:
            warn_unless_patched()
            plan = compile_plan(self.id, self._nodes, self._roots, self._made, self.body)
            for step in plan.steps:
                step.node._graphs.add(self)
            self._plan = plan
        return self._plan

    def run(self, context: Any = None, *, timeout: float | None = _UNSET) -> Result:
        """Run the graph for one request and return `(node_data, merged)`.

        `context` can be any value and reaches every node. `timeout` overrides the graph's, in seconds; a run inside a
        run is bounded by the outer deadline, too. A required node that fails raises a `NodeError`.
        """
        seconds = self.timeout if timeout is _UNSET else check_seconds("timeout=", timeout, zero=True)
        run = Run(self._plan or self.compile(), context, seconds, self.instruments)
        run.go()
        data = node_data(run)
        if run.fatal:
            raise self._failure(run, data)
        return Result(run, data, self._merge(run, data))

    def _failure(self, run: Run, data: dict[str, Any]) -> NodeError:
        first = min(run.fatal)
        reason, cause = run.trouble[first]
        error = NodeError(run.plan.ids[first], reason or "exception", str(cause or ""), Result(run, data, None))
        error.__cause__ = cause
        return error

    def _merge(self, run: Run, data: dict[str, Any]) -> Any:
        plan = run.plan
        if plan.body is not None:
            return run.values[plan.body]
        present = [(plan.ids[i], key, run.values[i]) for i, key in plan.outputs if run.state[i] in WITH_DATA]
        if self.merge == "deep":
            return merge_outputs(present, self._conflict)
        outputs = {id: value for id, _, value in present}
        return outputs if self.merge == "ids" else self.merge(outputs)

    def _conflict(self, path: str, earlier: str, later: str) -> None:
        if self.on_conflict == "error":
            message = f"{earlier!r} and {later!r} give different values for {path!r}"
            raise NodeError(later, "exception", message)
        if self.instruments.active:
            self.instruments.emit("merge.conflict", graph=self.id, path=path, earlier=earlier, later=later)

    def __repr__(self) -> str:
        return f"<Graph {self.id!r} {len(self._nodes)} nodes{'' if self._plan is None else ', compiled'}>"
