"""Overriding nodes: what takes their place, what stays as it was, and that nothing stays changed."""

import pytest

from fastdag import Context, Graph, Node, NodeError, UpstreamTimeout
from fastdag.testing import must_not_run, must_run, override

from . import trips


def page():
    graph = Graph("page")

    @graph.node(output="user")
    def user(context):
        return {"name": context["name"]}

    @graph.node(optional=True, fallback=["old"], output="ads")
    def ads(context, user):
        return [f"for {user['name']}"]

    @graph.node(output="text")
    def text(user, ads=()):
        return f"{user['name']} {','.join(ads)}"

    return graph


NAMED = {"name": "Ada"}
AS_IT_IS = {"user": {"name": "Ada"}, "ads": ["for Ada"], "text": "Ada for Ada"}


@pytest.mark.parametrize(
    ("stand_in", "ads"),
    [
        (["new"], ["new"]),
        (lambda: ["nothing asked"], ["nothing asked"]),
        (lambda user: [user["name"]], ["Ada"]),
        (lambda user, context: [user["name"], context["name"]], ["Ada", "Ada"]),
        (lambda **given: sorted(given), ["context", "user"]),
        (lambda user, more="x": [more], ["x"]),
        (ValueError("no"), ["old"]),
        (TimeoutError, ["old"]),
    ],
    ids=["data", "nothing", "parent", "context", "everything", "default", "error", "class"],
)
def test_data_functions_and_errors_take_a_nodes_place(stand_in, ads):
    graph = page()
    with override(graph, ads=stand_in):
        merged = graph.run(NAMED).merged
    assert merged == {"user": {"name": "Ada"}, "ads": ads, "text": f"Ada {','.join(ads)}"}
    assert graph.run(NAMED).merged == AS_IT_IS


def test_a_stand_in_that_asks_for_less_leaves_the_graph_its_shape():
    graph = page()
    with override(graph, text="x"):
        result = graph.run(NAMED)
    must_run(result, "user", "ads", "text")
    assert result.merged == {**AS_IT_IS, "text": "x"}


def test_every_run_gets_data_of_its_own():
    graph = page()
    with override(graph, user={"name": "Eve"}):
        first = graph.run(NAMED)
        first.node_data["user"]["name"] = "changed"
        assert graph.run(NAMED).merged["text"] == "Eve for Eve"


def test_required_nodes_fail_the_run_with_the_error_given():
    graph = page()
    with override(graph, user=UpstreamTimeout("late")), pytest.raises(NodeError) as info:
        graph.run(NAMED)
    assert (info.value.node_id, info.value.reason) == ("user", "timeout")
    must_not_run(info.value.result, "ads", "text")


def test_runs_in_flight_and_plans_kept_are_what_they_were():
    graph = page()
    plan = graph.compile()
    with override(graph, user={"name": "Eve"}):
        assert graph.compile() is not plan
        assert graph.run(NAMED, outputs=["user"]).merged == {"user": {"name": "Eve"}}
    assert graph.run(NAMED, outputs=["user"]).merged == {"user": {"name": "Ada"}}


def test_it_ends_with_an_error_too():
    graph = page()
    with pytest.raises(ZeroDivisionError), override(graph, user=None):
        raise ZeroDivisionError
    assert graph.run(NAMED).merged == AS_IT_IS
    assert "declaration" not in vars(graph)
    assert "function" not in vars(graph["user"])


def test_a_graph_that_changes_meanwhile_keeps_its_stand_ins_and_the_change():
    graph = page()
    with override(graph, user={"name": "Eve"}):
        graph.node(id="more", output="more")(lambda user: user["name"])
        assert graph.run(NAMED).merged["more"] == "Eve"
    assert graph.run(NAMED).merged["more"] == "Ada"


def test_overrides_nest_also_of_the_same_node():
    graph = page()
    with override(graph, user={"name": "Eve"}, ads=[]):
        with override(graph, user=lambda context: {"name": "Bo"}):
            assert graph.run(NAMED).merged["text"] == "Bo "
        assert graph.run(NAMED).merged["text"] == "Eve "
    assert graph.run(NAMED).merged == AS_IT_IS


def outer_of(inner):
    outer = Graph("outer")
    outer.include(inner, prefix="left_")
    outer.include(inner, prefix="right_")

    @outer.node(output="both")
    def both(left_user, right_user):
        return f"{left_user['name']} {right_user['name']}"

    return outer


def test_what_a_graph_overrides_holds_where_it_is_included():
    inner = page()
    outer = outer_of(inner)
    assert outer.run(NAMED).merged["both"] == "Ada Ada"
    with override(inner, user={"name": "Eve"}):
        assert outer.run(NAMED).merged["both"] == "Eve Eve"
    assert outer.run(NAMED).merged["both"] == "Ada Ada"


def test_one_of_two_inclusions_is_overridden_by_its_id_outside():
    inner = page()
    outer = outer_of(inner)
    with override(outer, left_user=lambda context: {"name": "Eve"}):
        assert outer.run(NAMED).merged["both"] == "Eve Ada"
        outer.invalidate()
        assert outer.run(NAMED).merged["both"] == "Eve Ada"
        assert inner.run(NAMED).merged == AS_IT_IS
        with override(inner, user={"name": "Bo"}):
            assert outer.run(NAMED).merged["both"] == "Eve Bo"
    assert outer.run(NAMED).merged["both"] == "Ada Ada"


def test_a_node_of_two_graphs_is_itself_again_in_both():
    shared = Node("shared", output="it")
    one, other = Graph("one"), Graph("other")
    for graph in (one, other):
        graph.add_root(shared)
    with override(one, shared=1):
        assert one.run().merged == {"it": 1}
        other.run()
    assert [graph.run().node_data for graph in (one, other)] == [{"shared": None}, {"shared": None}]


class Sum(Node):
    def load(self, context, *numbers, **named):
        return sum(numbers) + sum(named.values())


def test_class_nodes_give_their_stand_ins_the_arguments_they_have():
    graph = Graph("sums")
    total = Sum("total", output="total")
    for number in (1, 2):
        root = Node(f"n{number}")
        graph.add_root(root)
        root.add_child(total, None if number == 1 else "second")
    with override(graph, {"n1": 1, "n2": 2}):
        assert graph.run().merged == {"total": 3}
        with override(graph, total=lambda numbers, second: [numbers, second]):
            assert graph.run().merged == {"total": [(1,), 2]}


def test_fetches_are_overridden_without_a_socket():
    found = {
        "city": {"name": "Oslo", "at": "1,2"},
        "ids": {"found": [7, 8]},
        "rooms": lambda item, index: {"beds": item + index},
        "there_forecast": lambda context, place: {"sky": f"{context.query['sky']} at {place['at']}"},
        "back_forecast": TimeoutError,
    }
    with override(trips.trip, found):
        result = trips.trip.run(Context(path={"name": "oslo"}, query={"sky": "red"}))
    assert result.merged["advice"] == "Oslo: red at 1,2 there, unknown back, 16 beds"
    assert result.merged["rooms"] == [{"beds": 7}, {"beds": 9}]


def test_a_node_with_each_is_overridden_as_a_whole_too():
    found = {
        "city": {"name": "Oslo", "at": ""},
        "ids": {"found": [7, 8]},
        "there_forecast": None,
        "back_forecast": None,
    }
    with override(trips.trip, {**found, "rooms": lambda ids: [{"beds": len(ids["found"])}]}):
        assert trips.trip.run(Context(path={"name": "oslo"})).merged["rooms"] == [{"beds": 2}]


def test_unknown_nodes_and_wishes_that_cannot_be_met_are_refused_at_once():
    graph = page()
    with pytest.raises(KeyError, match="page has no node 'usr'; did you mean 'user'"), override(graph, usr=1):
        pass
    with (
        pytest.raises(
            TypeError, match="the stand-in for 'text' wants prices, which the node does not get; it gets ads,"
        ),
        override(graph, text=lambda user, prices: 1),
    ):
        pass
    assert graph.run(NAMED).merged == AS_IT_IS
