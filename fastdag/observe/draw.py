"""Pictures of a graph, as text, Mermaid or DOT; and of a run, which puts times and outcomes on top.

What a picture shows is plain data first (`describe`), for whoever draws by other means. Edges that a child can do
without are dashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from fastdag.explain import waves
from fastdag.observe.critical import critical_path
from fastdag.observe.install import upstream_of
from fastdag.observe.record import NodeRecord, RunRecord
from fastdag.observe.redact import one_line
from fastdag.outcome import CANCELLED, FAILED, FALLBACK, OK, SKIPPED
from fastdag.plan import Plan
from fastdag.wiring import Wire

__all__ = ["FORMATS", "Drawing", "DrawnEdge", "DrawnNode", "describe", "dot", "draw", "mermaid", "text"]

EdgeKind = Literal["data", "when", "after", "fallback"]


class DrawnNode(NamedTuple):
    """A node. `wave` is 0 for those that start at once; `upstream` is whom a fetch asks, else empty; `run` is how it
    went, if it is a run that is drawn, and `critical` whether it decided that run's time."""

    id: str
    kind: str
    upstream: str
    wave: int
    optional: bool
    sink: bool
    run: NodeRecord | None
    critical: bool


class DrawnEdge(NamedTuple):
    """`child` waits for `parent`: for its data, to decide whether it runs at all, for its end, or for its failure."""

    parent: str
    child: str
    kind: EdgeKind
    optional: bool


class Drawing(NamedTuple):
    """A graph, nodes and edges in the order of declaration. `elapsed` is the run's, in seconds."""

    graph: str
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    elapsed: float | None


def describe(plan: Plan, run: RunRecord | None = None) -> Drawing:
    """What there is to draw of a plan, and of a run of it."""
    ran = {} if run is None else {node.id: node for node in run.nodes}
    critical = set() if run is None else {leg.id for leg in critical_path(run)}
    nodes = []
    for found, wave in zip(plan.wires, waves(plan.wires), strict=True):
        node = found.node
        upstream = upstream_of(node)
        nodes.append(
            DrawnNode(
                node.id,
                type(node).__name__,
                "" if upstream is None else upstream.name,
                wave,
                bool(node.option("optional")),
                found.sink,
                ran.get(node.id),
                node.id in critical,
            )
        )
    edges = (edge for found in plan.wires for edge in _edges(plan, found))
    return Drawing(plan.graph_id, tuple(nodes), tuple(edges), None if run is None else run.elapsed)


def _edges(plan: Plan, found: Wire) -> Iterator[DrawnEdge]:
    ids = [wire.node.id for wire in plan.wires]
    child = found.node.id
    taken = {link.parent for link in found.call.links()}
    needed = {link.parent for link in found.call.links() if link.needed}
    for parent in dict.fromkeys(link.parent for link in found.call.links()):
        yield DrawnEdge(ids[parent], child, "data", parent not in needed)
    for parent in dict.fromkeys(link.parent for link in (found.when.links() if found.when else ())):
        if parent not in taken:
            yield DrawnEdge(ids[parent], child, "when", False)
    for parent in found.after:
        yield DrawnEdge(ids[parent], child, "after", False)
    if found.fallback is not None:
        yield DrawnEdge(child, ids[found.fallback], "fallback", True)


def _facts(node: DrawnNode) -> Iterator[str]:
    """What is said of a node, in a few words each."""
    yield node.upstream or ("function" if node.kind == "FunctionNode" else node.kind)
    if node.optional:
        yield "optional"
    if node.sink:
        yield "after the answer"
    if node.run is not None:
        yield _went(node.run)


def _went(run: NodeRecord) -> str:
    why = f" ({run.reason})" if run.reason not in ("", run.state) else ""
    return f"{run.state}{why}" if run.started is None else f"{run.elapsed * 1000:.1f} ms {run.state}{why}"


# -- text


def text(drawing: Drawing) -> str:
    """A line per node, by wave. Parents that a node can do without stand in parentheses; `*` marks what decided the
    run's time."""
    took = "" if drawing.elapsed is None else f", {drawing.elapsed * 1000:.1f} ms"
    rows = [_row(drawing, node) for node in sorted(drawing.nodes, key=lambda node: node.wave)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows]
    ends = [row[4] for row in rows]
    return "\n".join(
        [
            f"{one_line(drawing.graph)}: {len(drawing.nodes)} nodes{took}",
            *(f"{line}  {end}".rstrip() for line, end in zip(lines, ends, strict=True)),
        ]
    )


def _row(drawing: Drawing, node: DrawnNode) -> tuple[str, str, str, str, str]:
    parents = [_parent(edge) for edge in drawing.edges if edge.child == node.id]
    about = list(_facts(node._replace(run=None)))
    return (
        f"{'*' if node.critical else ' '} {node.wave}",
        one_line(node.id),
        one_line(", ".join(about)),
        f"<- {', '.join(parents)}" if parents else "",
        "" if node.run is None else _went(node.run),
    )


def _parent(edge: DrawnEdge) -> str:
    name = one_line(edge.parent)
    if edge.kind != "data":
        return f"{edge.kind} {name}"
    return f"({name})" if edge.optional else name


# -- Mermaid and DOT

_COLOURS = {OK: "#2da44e", FALLBACK: "#bf8700", SKIPPED: "#8c959f", FAILED: "#cf222e", CANCELLED: "#8250df"}


def mermaid(drawing: Drawing) -> str:
    """A flowchart in Mermaid's language, which GitHub and MkDocs draw."""
    names = {node.id: f"n{number}" for number, node in enumerate(drawing.nodes)}
    lines = ["flowchart TD"]
    for node in drawing.nodes:
        label = "<br/>".join(_for_mermaid(part) for part in (node.id, *_facts(node)))
        lines.append(f'    {names[node.id]}["{label}"]')
    for edge in drawing.edges:
        arrow = "-.->" if edge.optional else "-->"
        label = "" if edge.kind == "data" else f"|{edge.kind}|"
        lines.append(f"    {names[edge.parent]} {arrow}{label} {names[edge.child]}")
    for node in drawing.nodes:
        if node.run is not None:
            width = 4 if node.critical else 1
            lines.append(f"    style {names[node.id]} stroke:{_COLOURS[node.run.state]},stroke-width:{width}px")
    return "\n".join(lines)


def _for_mermaid(part: str) -> str:
    """Characters that mean something to Mermaid or to HTML, as its entity codes."""
    return "".join(c if c.isalnum() or c in " _-.,:/()" else f"#{ord(c)};" for c in one_line(part))


def dot(drawing: Drawing) -> str:
    """A digraph in Graphviz's language."""
    lines = [f"digraph {_for_dot(drawing.graph)} {{", '    node [shape=box, style=rounded, fontname="sans-serif"];']
    for node in drawing.nodes:
        label = _for_dot(*(node.id, *_facts(node)))
        colour = "" if node.run is None else f', color="{_COLOURS[node.run.state]}"'
        width = ", penwidth=3" if node.critical else ""
        lines.append(f"    {_for_dot(node.id)} [label={label}{colour}{width}];")
    for edge in drawing.edges:
        style = ["style=dashed"] if edge.optional else []
        label_of = [] if edge.kind == "data" else [f'label="{edge.kind}"']
        options = f" [{', '.join([*style, *label_of])}]" if style or label_of else ""
        lines.append(f"    {_for_dot(edge.parent)} -> {_for_dot(edge.child)}{options};")
    return "\n".join([*lines, "}"])


def _for_dot(*parts: str) -> str:
    r"""A quoted string; several parts are lines of a label (`\n` is DOT's own)."""
    quoted = (one_line(part).replace("\\", "\\\\").replace('"', '\\"') for part in parts)
    return '"' + "\\n".join(quoted) + '"'


#: What a graph can be drawn as.
FORMATS: dict[str, Callable[[Drawing], str]] = {"text": text, "mermaid": mermaid, "dot": dot}


def draw(plan: Plan, form: str = "text", *, run: RunRecord | None = None) -> str:
    """A picture of a plan, or of a run of it: `"text"`, `"mermaid"` or `"dot"`."""
    if form not in FORMATS:
        raise ValueError(f"a graph can be drawn as {', '.join(FORMATS)}, not as {form!r}")
    return FORMATS[form](describe(plan, run))
