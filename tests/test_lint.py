"""What a graph does that its author probably did not mean."""

from fastdag import Graph, Node


def findings(*declare, timeout=2.0):
    graph = Graph("page", timeout=timeout)
    for function in declare:
        function(graph)
    return graph.compile().lint()


def test_a_sound_graph_has_no_findings():
    graph = Graph("page")
    graph.node(id="a")(lambda context: 1)
    graph.node(id="b", timeout=1)(lambda context, a: a + 1)
    assert graph.compile().lint() == []


def test_a_parent_that_is_never_used():
    def chain(graph):
        graph.node(id="a")(lambda context: 1)
        graph.node(id="b")(lambda context, a: 2)

    (finding,) = findings(chain)
    assert finding.startswith("page.b takes 'a' from 'a' and never uses it; without it, it could start earlier")


def test_a_parent_that_an_inner_function_uses_is_used():
    def chain(graph):
        graph.node(id="a")(lambda context: 1)
        graph.node(id="b")(lambda context, a: (lambda: a)())

    assert findings(chain) == []


def test_class_nodes_are_looked_at_too():
    class Child(Node):
        def load(self, context, used, unused):
            return used

    def declare(graph):
        graph.node(id="a")(lambda context: 1)
        graph.node(id="b")(lambda context: 1)
        child = Child()
        child.add_parent("a", "used")
        child.add_parent("b", "unused")
        graph.add(child)

    (finding,) = findings(declare)
    assert finding.startswith("page.Child takes 'unused' from 'b' and never uses it")


def test_an_order_that_the_data_makes_anyway():
    def declare(graph):
        graph.node(id="a")(lambda context: 1)
        graph.node(id="b", after="a")(lambda context, a: a)

    assert findings(declare) == ["page.b has after='a', whose data it waits for anyway; drop it"]


def test_outputs_that_collide():
    def declare(graph):
        graph.node(id="a", output="x")(lambda context: 1)
        graph.node(id="b", output="x")(lambda context: 1)

    assert findings(declare) == ["page: a and b all put their data under 'x'; the last one wins"]


def test_a_node_that_nothing_needs():
    def declare(graph):
        graph.node(id="a", output=False)(lambda context: 1)
        graph.node(id="b")(lambda context: 1)
        graph.node(id="c", sink=True)(lambda context, b: b)

    (finding,) = findings(declare)
    assert finding.startswith("page.a runs, but nothing takes its data and it is no output")


def test_a_node_timeout_that_the_runs_cuts_short():
    def declare(graph):
        graph.node(id="a", timeout=2)(lambda context: 1)

    (finding,) = findings(declare)
    assert finding.startswith("page.a has timeout=2, which the run's 2 s cut short")
    assert findings(declare, timeout=None) == []
