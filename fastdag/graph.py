"""`Graph`: what users hold. It declares nodes, compiles them to a plan, and runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, overload
from weakref import WeakSet

from fastdag.concurrency import warn_unless_patched
from fastdag.deadline import check_seconds
from fastdag.engine import Run
from fastdag.errors import NodeError, told
from fastdag.events import Instrument, Instruments
from fastdag.ledger import WITH_DATA
from fastdag.node import FunctionNode, Node, NodeOptions, NodeRef, is_node, near
from fastdag.nodes.each import EACH_OPTIONS, EachNode
from fastdag.nodes.fetch import FetchNode
from fastdag.nodes.include import Inclusion
from fastdag.plan import Plan, compile_plan
from fastdag.result import Result, node_data
from fastdag.select import Selection, select
from fastdag.shape.fields import pick, shape_of
from fastdag.shape.merge import merge_outputs
from fastdag.sinks import Sinks
from fastdag.upstream.call import Request
from fastdag.upstream.client import Upstream
from fastdag.watch import OnOutput, new_run, pruned
from fastdag.wiring import Declaration, Population, make

__all__ = ["Graph"]

Function = TypeVar("Function", bound=Callable[..., Any])
Merge = Literal["deep", "ids"] | Callable[[dict[str, Any]], Any]

_UNSET: Any = object()
SELECTIONS = 256  # plans kept for outputs= and ?fields=: clients choose them, so there must be an end to it


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
        self.instruments = Instruments()
        self._entries: dict[int, Node | Inclusion] = {}  # by identity: nodes need no hash
        self._inclusions: list[Inclusion] = []
        self._included: set[Graph] = set()
        self._included_in: WeakSet[Graph] = WeakSet()
        self._roots: list[str] = []
        self._made: dict[type[Node], Node] = {}
        self._plan: Plan | None = None
        self._selections: dict[tuple[str, ...], Selection] = {}
        self._sinks = Sinks(self.instruments)
        self.body = body

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
        self._entries.setdefault(id(node), node)
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

    def include(self, other: Graph, *, prefix: str = "", bind: Mapping[str, str] | None = None) -> None:
        """Put another graph's nodes into this one, under ids with a prefix; it can be done more than once.

        `bind={"inner": "outer"}` gives the subgraph this graph's node `outer` where it says `inner`. The prefix goes
        before the ids as it is. Everything is inlined when compiled: one scheduler, one picture.
        """
        if not isinstance(other, Graph):
            raise TypeError(f"{self.id}: include takes a Graph, not {other!r}")
        if other is self or self in other._includes():
            raise ValueError(f"{self.id}: a graph cannot include itself")
        inclusion = Inclusion(other, prefix, bind, self)
        self._entries[id(inclusion)] = inclusion
        self._inclusions.append(inclusion)
        self._included.add(other)
        other._included_in.add(self)
        self.invalidate()

    def _includes(self) -> set[Graph]:
        return self._included.union(*(other._includes() for other in self._included))

    def declaration(self) -> Declaration:
        """The graph as declared, with included graphs inlined; what the compiler reads."""
        nodes: list[Node] = []
        roots, problems = list(self._roots), []
        for entry in self._entries.values():
            if isinstance(entry, Inclusion):
                nodes.extend(entry.nodes())
                roots.extend(entry.roots())
                problems.extend(entry.problems())
            else:
                nodes.append(entry)
        return Declaration(self.id, nodes, roots, self._made, self.body, self.timeout, problems)

    def __getitem__(self, id: str) -> Node:
        population = Population(self.declaration())
        if id not in population.index:
            raise KeyError(f"{self.id} has no node {id!r}{near(id, population.index)}")
        return population.nodes[population.index[id]]

    @property
    def body(self) -> str | None:
        return self._body

    @body.setter
    def body(self, node_id: str | None) -> None:
        if node_id is not None and not isinstance(node_id, str):
            raise TypeError(f"{self.id}: body= names a node by its id, not {node_id!r}")
        self._body = node_id
        self.invalidate()

    def invalidate(self) -> None:
        """Forget the plan; called whenever the graph, one of its nodes or a graph that it includes changes."""
        self._plan = None
        self._selections.clear()
        for inclusion in self._inclusions:
            inclusion.forget()
        for outer in self._included_in:
            outer.invalidate()

    def on(self, event: str, instrument: Instrument) -> None:
        """Call `instrument(name, fields)` at every event of that name; see `fastdag.events`."""
        self.instruments.on(event, instrument)

    # -- compiling and running

    def compile(self) -> Plan:
        """The plan. Raises a `GraphError` that lists everything that is wrong with the graph."""
        if self._plan is None:
            warn_unless_patched()
            plan = compile_plan(self.declaration(), shape_of)
            for found in plan.wires:
                found.node.belongs_to(self)
            self._plan = plan
        return self._plan

    def run(
        self,
        context: Any = None,
        *,
        timeout: float | None = _UNSET,
        outputs: Iterable[str] | None = None,
        on_output: OnOutput | None = None,
    ) -> Result:
        """Run the graph for one request and return `(node_data, merged)`.

        `context` can be any value and reaches every node. `timeout` overrides the graph's, in seconds; a run inside a
        run is bounded by the outer deadline, too. `outputs` names what is wanted, by key or id and with dotted paths
        into it; only what that needs runs. `on_output(id, key, data)` hears of every output the moment it is there; it
        neither waits nor raises. A required node that fails raises a `NodeError`.
        """
        seconds = self.timeout if timeout is _UNSET else check_seconds("timeout=", timeout, zero=True)
        selection = None if outputs is None else self._select(outputs)
        plan = self._plan if selection is None else selection.plan
        if plan is None:
            plan = self.compile()
        if on_output is None and not self.instruments.heard:
            run = Run(plan, context, seconds, self.instruments)
        else:
            run = new_run(plan, context, seconds, self.instruments, pruned(selection, on_output))
        run.go()
        data = node_data(run)
        try:
            if run.fatal:
                raise self._failure(run, data)
            return Result.of(run, data, self._merge(run, selection))
        finally:
            if plan.sinks:
                self._sinks.start(run)

    def _select(self, outputs: Iterable[str]) -> Selection:
        if isinstance(outputs, str):
            raise TypeError(f"{self.id}: outputs= takes a list of names, not the string {outputs!r}")
        names = tuple(sorted(set(outputs)))
        found = self._selections.get(names)
        if found is None:
            found = select(self.compile(), names)
            if len(self._selections) >= SELECTIONS:
                self._selections.pop(next(iter(self._selections)))
            self._selections[names] = found
        return found

    def drain(self, timeout: float = 5.0) -> bool:
        """Wait for the sinks at work, in seconds at most; those that take longer are killed. True if none was."""
        return self._sinks.drain(timeout)

    def _failure(self, run: Run, data: dict[str, Any]) -> NodeError:
        first = min(run.fatal)
        reason, cause = run.trouble[first]
        message = "" if cause is None else told(cause)
        error = NodeError(run.plan.ids[first], reason or "exception", message, Result.of(run, data, None))
        error.__cause__ = cause
        return error

    def _merge(self, run: Run, selection: Selection | None) -> Any:
        plan = run.plan
        if plan.body is not None:
            body = run.values[plan.body]
            return body if selection is None or selection.whole is None else pick(body, selection.whole)
        present = [(plan.ids[i], key, run.values[i]) for i, key in plan.outputs if run.state[i] in WITH_DATA]
        if selection is not None:
            present = [(id, key, selection.of(id, value)) for id, key, value in present]
        if self.merge == "deep":
            return merge_outputs(present, self._conflict, run)
        if self.merge == "ids":
            return {id: value for id, key, value in present if value is not None or key is not None}
        return self.merge({id: value for id, _, value in present})

    def _conflict(self, run: Run, path: str, earlier: str, later: str) -> None:
        if self.on_conflict == "error":
            message = f"{earlier!r} and {later!r} give different values for {path!r}"
            raise NodeError(later, "exception", message, Result.of(run, node_data(run), None))
        if self.instruments.active:
            self.instruments.emit("merge.conflict", graph=self.id, path=path, earlier=earlier, later=later)

    def __repr__(self) -> str:
        return f"<Graph {self.id!r} {len(self._entries)} entries{'' if self._plan is None else ', compiled'}>"
