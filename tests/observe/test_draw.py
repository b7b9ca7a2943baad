"""Pictures of graphs, and of runs of them."""

import pytest

from fastdag.graph import Graph
from fastdag.observe.draw import describe, draw
from tests.observe.common import recorded, upstream


def page():
    catalog, graph = upstream(), Graph("page")
    graph.fetch("product", catalog, "/products/1", fallback=graph_node(graph, "spare"))
    graph.fetch("stars", catalog, "/stars/{product.id}", optional=True)

    @graph.node(when=lambda product: product, after="stars")
    def offer(context, stars=()):
        return 1

    @graph.node(sink=True)
    def audit(context, offer):
        return None

    return graph


def graph_node(graph, id):
    graph.node(id=id)(lambda context: 1)
    return graph[id]


def test_a_graph_as_text():
    assert draw(page().compile()).splitlines() == [
        "page: 5 nodes",
        "  0  product  catalog",
        "  1  spare    function                    <- fallback product",
        "  1  stars    catalog, optional           <- product",
        "  2  offer    function                    <- (stars), when product, after stars",
        "  3  audit    function, after the answer  <- offer",
    ]


def test_a_graph_as_mermaid():
    assert draw(page().compile(), "mermaid").splitlines() == [
        "flowchart TD",
        '    n0["spare<br/>function"]',
        '    n1["product<br/>catalog"]',
        '    n2["stars<br/>catalog<br/>optional"]',
        '    n3["offer<br/>function"]',
        '    n4["audit<br/>function<br/>after the answer"]',
        "    n1 -.->|fallback| n0",
        "    n1 --> n2",
        "    n2 -.-> n3",
        "    n1 -->|when| n3",
        "    n2 -->|after| n3",
        "    n3 --> n4",
    ]


def test_a_graph_as_dot():
    assert draw(page().compile(), "dot").splitlines() == [
        'digraph "page" {',
        '    node [shape=box, style=rounded, fontname="sans-serif"];',
        '    "spare" [label="spare\\nfunction"];',
        '    "product" [label="product\\ncatalog"];',
        '    "stars" [label="stars\\ncatalog\\noptional"];',
        '    "offer" [label="offer\\nfunction"];',
        '    "audit" [label="audit\\nfunction\\nafter the answer"];',
        '    "product" -> "spare" [style=dashed, label="fallback"];',
        '    "product" -> "stars";',
        '    "stars" -> "offer" [style=dashed];',
        '    "product" -> "offer" [label="when"];',
        '    "stars" -> "offer" [label="after"];',
        '    "offer" -> "audit";',
        "}",
    ]


def run_of(graph):
    return recorded(graph, {"product": (0.0, 0.010), "stars": (0.010, 0.030), "offer": (0.030, 0.031)}, stars="failed")


def test_times_and_outcomes_of_a_run_are_drawn_on_top():
    graph = page()
    run, plan = run_of(graph), graph.compile()
    assert draw(plan, run=run).splitlines() == [
        "page: 5 nodes, 31.0 ms",
        "* 0  product  catalog                                                            10.0 ms ok",
        "  1  spare    function                    <- fallback product                    skipped",
        "* 1  stars    catalog, optional           <- product                             20.0 ms failed (timeout)",
        "* 2  offer    function                    <- (stars), when product, after stars  1.0 ms ok",
        "  3  audit    function, after the answer  <- offer",
    ]
    assert 'n2["stars<br/>catalog<br/>optional<br/>20.0 ms failed (timeout)"]' in draw(plan, "mermaid", run=run)
    assert "style n2 stroke:#cf222e,stroke-width:4px" in draw(plan, "mermaid", run=run)
    assert 'color="#cf222e", penwidth=3' in draw(plan, "dot", run=run)


def test_elements_and_included_nodes_show_their_upstreams():
    catalog, inner, outer = upstream(), Graph("inner"), Graph("outer")
    inner.fetch("found", catalog, "/search")
    inner.fetch("details", catalog, "/products/{item}", each="found.items")
    outer.include(inner, prefix="left_")
    assert [(node.id, node.upstream) for node in describe(outer.compile()).nodes] == [
        ("left_found", "catalog"),
        ("left_details", "catalog"),
    ]


@pytest.mark.parametrize("form", ["text", "mermaid", "dot"])
def test_no_id_breaks_out_of_its_place(form):
    graph = Graph('evil"]\n<script>')
    graph.node(id='a"]; b\\\n<b>&#1;')(lambda context: 1)
    drawn = draw(graph.compile(), form)
    assert len(drawn.splitlines()) == {"text": 2, "mermaid": 2, "dot": 4}[form]
    if form == "mermaid":
        assert '["a#34;#93;#59; b#92;#92;u000a#60;b#62;#38;#35;1#59;<br/>function"]' in drawn
    if form == "dot":
        assert '"a\\"]; b\\\\\\\\u000a<b>&#1;"' in drawn


def test_an_unknown_form_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="drawn as text, mermaid, dot, not as 'svg'"):
        draw(page().compile(), "svg")
