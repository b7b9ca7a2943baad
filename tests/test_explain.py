"""What a run would do, without doing it."""

from fastdag import Graph


def test_nodes_come_in_the_order_in_which_they_could_run_and_none_runs():
    graph = Graph("page", timeout=1.5)

    def never(context, *parents):
        raise AssertionError("nothing runs")

    graph.node(id="last")(lambda context, b, c: never(context))
    graph.node(id="b", timeout=0.2, optional=True)(lambda context, a: never(context))
    graph.node(id="c", when=lambda context: True, after="b")(lambda context: never(context))
    graph.node(id="a")(never)
    graph.node(id="spare")(lambda context: never(context))
    graph["a"].fallback = graph["spare"]
    graph.node(id="audit", sink=True)(lambda context, last: never(context))

    explained = graph.compile().explain({"path": {}})

    assert [(each.id, each.wave) for each in explained] == [
        ("a", 0),
        ("b", 1),
        ("spare", 1),
        ("c", 2),
        ("last", 3),
        ("audit", 4),
    ]
    by_id = {each.id: each for each in explained}
    assert by_id["b"].waits_for == ("a",)
    assert (by_id["b"].timeout, by_id["c"].timeout) == (0.2, 1.5)
    assert by_id["b"].optional
    assert by_id["spare"].condition == "only if a fails"
    assert by_id["c"].condition == "only if when= says so"
    assert by_id["audit"].condition == "after the answer"


def test_long_chains_are_explained_without_recursion():
    graph = Graph("chain")
    graph.node(id="n0")(lambda context: 0)
    for number in range(1, 3000):
        graph.node(id=f"n{number}")(eval(f"lambda context, n{number - 1}: 0"))
    assert graph.compile().explain()[-1].wave == 2999
