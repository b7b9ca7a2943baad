"""Broken graphs are refused when they are built, with every problem at once. `bad_graphs/` holds one each."""

from importlib import import_module
from pathlib import Path

import pytest

from fastdag import Graph, GraphError, Node

CORPUS = sorted(path for path in (Path(__file__).parent / "bad_graphs").glob("*.py") if path.stem != "__init__")


def _expected(path):
    lines = path.read_text().splitlines()
    return [line.removeprefix("# ") for line in lines[: lines.index("")]]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_bad_graph_is_refused_with_exactly_its_messages(path):
    graph = import_module(f"tests.bad_graphs.{path.stem}").graph
    with pytest.raises(GraphError) as refused:
        graph.compile()
    assert list(refused.value.problems) == _expected(path)
    assert str(refused.value) == "\n".join(_expected(path))


def test_the_corpus_is_there():
    assert len(CORPUS) >= 30


def test_run_refuses_what_compile_refuses():
    with pytest.raises(GraphError, match="the graph is empty"):
        Graph("page").run()


def test_a_graph_that_is_mended_compiles():
    graph = Graph("page")
    graph.node(id="b")(lambda a: a)
    with pytest.raises(GraphError):
        graph.compile()
    graph.node(id="a")(lambda: 1)
    assert graph.run().merged == {"b": 1}


@pytest.mark.parametrize(
    "name", ["context", "path", "query", "headers", "json", "body", "state", "item", "index", "key"]
)
def test_every_reserved_id_is_refused(name):
    graph = Graph("page")
    graph.add_root(Node(name))
    with pytest.raises(GraphError, match=f"^page: '{name}' is reserved"):
        graph.compile()


def test_a_graph_error_is_a_value_error():
    assert issubclass(GraphError, ValueError)


@pytest.mark.parametrize("id", ["not an identifier", "1", "a-b", "a.b", "ä", "class"])
def test_an_id_need_not_be_an_identifier(id):
    graph = Graph("page")
    graph.add_root(Node(id))
    assert graph.run().node_data == {id: None}


def test_a_node_tied_by_nothing_but_waiting_needs_no_root():
    graph = Graph("page")
    graph.add_root(Node("a"))
    graph.add(Node("b", after="a"))
    assert list(graph.run().node_data) == ["a", "b"]


def test_after_none_is_after_nothing():
    graph = Graph("page")
    graph.add_root(Node("a", after=None))
    assert graph.run().node_data == {"a": None}


def test_a_long_cycle_is_found_without_recursion():
    graph = Graph("page")
    nodes = [Node(f"n{number}") for number in range(5000)]
    for parent, child in zip(nodes, nodes[1:] + nodes[:1], strict=True):
        child.after = [parent]
        graph.add(child)
    with pytest.raises(GraphError, match=r"^page: cycle n1 -> n2 -> ") as refused:
        graph.compile()
    assert len(refused.value.problems) == 1
