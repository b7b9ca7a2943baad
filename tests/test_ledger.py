"""How nodes end: every outcome of a parent, times everything a child can make of it."""

import gevent
import pytest
from gevent.event import Event

from fastdag import Graph, Node, NodeError, Outcome
from fastdag.errors import Relayed


def fails(*_args):
    raise ValueError("no")


# Every way in which a parent can end: what declares it, and how it has ended then.
PARENTS = {
    "ok": ({}, lambda: "data", ("ok", "data", None)),
    "ok_with_none": ({}, lambda: None, ("ok", None, None)),
    "failed": ({"optional": True}, fails, ("failed", None, "exception")),
    "timed_out": ({"optional": True, "timeout": 0.005}, lambda: gevent.sleep(5), ("failed", None, "timeout")),
    "skipped_by_when": ({"when": lambda: False}, lambda: "data", ("skipped", None, None)),
    "skipped_below_a_failure": ({}, lambda broken: "data", ("skipped", None, "dependency")),
    "skipped_below_a_skip": ({}, lambda unwanted: "data", ("skipped", None, None)),
    "skipped_below_both": ({}, lambda unwanted, broken: "data", ("skipped", None, "dependency")),
    "fallback_value": ({"fallback": "spare"}, fails, ("fallback", "spare", "exception")),
    "fallback_none": ({"fallback": None}, fails, ("fallback", None, "exception")),
    "fallback_call": ({"fallback": lambda context, error: str(error)}, fails, ("fallback", "no", "exception")),
    "fallback_for_a_dependency": ({"fallback": "spare"}, lambda broken: 1, ("fallback", "spare", "dependency")),
    "fallback_that_fails": ({"fallback": fails, "optional": True}, fails, ("failed", None, "exception")),
}

NO_DATA = object()


def page(parent):
    options, function, _ = PARENTS[parent]
    graph = Graph("page")
    graph.node(id="broken", optional=True)(fails)
    graph.node(id="unwanted", when=lambda: False)(lambda: 1)
    graph.node(id="parent", **options)(function)
    return graph


def child_of(parent, **expected):
    """What a child is after its parent ended so: by whether there was data, a failure, or a skip by `when=`."""
    state, value, reason = PARENTS[parent][2]
    if state in ("ok", "fallback"):
        return ("ok", value, None)
    return expected["failure"] if reason else expected["skip"]


def ended(result, id):
    outcome = result.outcomes[id]
    return (outcome.state, outcome.value, outcome.reason)


@pytest.mark.parametrize("parent", PARENTS)
def test_every_end_is_told_as_an_outcome(parent):
    result = page(parent).run()
    assert ended(result, "parent") == PARENTS[parent][2]
    state, value, _ = PARENTS[parent][2]
    if state in ("ok", "fallback"):
        assert result.node_data["parent"] == value
    else:
        assert "parent" not in result.node_data


@pytest.mark.parametrize("parent", PARENTS)
@pytest.mark.parametrize("optional", [False, True], ids=["required", "optional"])
def test_a_child_that_needs_its_parent_is_skipped_without_it(parent, optional):
    graph = page(parent)
    graph.node(id="child", optional=optional)(lambda parent: parent)
    expected = child_of(parent, failure=("skipped", None, "dependency"), skip=("skipped", None, None))
    assert ended(graph.run(), "child") == expected


@pytest.mark.parametrize("parent", PARENTS)
@pytest.mark.parametrize("how", ["positional", "named"])
def test_a_parameter_with_a_default_gets_it_in_place_of_missing_data(parent, how):
    graph = page(parent)
    graph.node(id="child")(
        (lambda parent="default": parent) if how == "positional" else (lambda *, parent="default": parent)
    )
    default = ("ok", "default", None)
    assert ended(graph.run(), "child") == child_of(parent, failure=default, skip=default)


@pytest.mark.parametrize("parent", PARENTS)
def test_a_parameter_annotated_outcome_gets_the_outcome_whatever_it_is(parent):
    graph = page(parent)

    @graph.node
    def child(parent: Outcome):
        return (parent.state, parent.value, parent.reason, parent.ok)

    state, value, reason = PARENTS[parent][2]
    assert graph.run().node_data["child"] == (state, value, reason, state in ("ok", "fallback"))


@pytest.mark.parametrize("parent", PARENTS)
@pytest.mark.parametrize("kind", ["value", "callable", "node"])
@pytest.mark.parametrize("optional", [False, True], ids=["required", "optional"])
def test_a_fallback_answers_for_a_missing_dependency_but_not_for_when(parent, kind, optional):
    class Spare(Node):
        def load(self, context):
            return "spare"

    spare = {"value": "spare", "callable": lambda context, error: "spare", "node": Spare}[kind]
    graph = page(parent)
    graph.node(id="child", fallback=spare, optional=optional)(lambda parent: parent)
    expected = child_of(parent, failure=("fallback", "spare", "dependency"), skip=("skipped", None, None))
    assert ended(graph.run(), "child") == expected


@pytest.mark.parametrize("parent", PARENTS)
def test_when_sees_parents_by_name_and_is_not_asked_without_them(parent):
    asked = []
    graph = page(parent)
    graph.node(id="child", when=lambda context, parent: asked.append(parent) or False)(lambda: "data")
    result = graph.run()
    state, value, reason = PARENTS[parent][2]
    if state in ("ok", "fallback"):
        assert (asked, ended(result, "child")) == ([value], ("skipped", None, None))
    else:
        assert (asked, ended(result, "child")) == ([], ("skipped", None, "dependency" if reason else None))


@pytest.mark.parametrize("parent", PARENTS)
def test_when_with_a_default_or_an_outcome_is_always_asked(parent):
    graph = page(parent)
    graph.node(id="a", when=lambda parent="default": parent is not NO_DATA)(lambda: "data")

    def decide(parent: Outcome) -> bool:
        return parent.ok

    graph.node(id="b", when=decide)(lambda: "data")
    result = graph.run()
    assert ended(result, "a") == ("ok", "data", None)
    assert result.outcomes["b"].state == ("ok" if PARENTS[parent][2][0] in ("ok", "fallback") else "skipped")


@pytest.mark.parametrize("parent", ["ok", "ok_with_none", "failed", "timed_out", "skipped_by_when", "fallback_value"])
def test_complete_is_false_exactly_when_something_is_missing(parent):
    options, function, (state, _, _) = PARENTS[parent]
    graph = Graph("page")
    graph.node(id="parent", **options)(function)
    graph.node(id="child")(lambda parent: parent)
    assert graph.run().complete is (state not in ("failed", "fallback"))


def test_a_skip_by_when_leaves_the_run_complete():
    graph = Graph("page")
    graph.node(id="a", when=lambda: False)(lambda: 1)
    graph.node(id="b")(lambda a: 1)
    graph.node(id="c")(lambda a=0: a)
    result = graph.run()
    assert result.complete is True
    assert result.merged == {"c": 0}


def test_independent_branches_go_on_after_an_optional_failure():
    graph = Graph("page")
    graph.node(id="a", optional=True)(fails)
    graph.node(id="below_a")(lambda a: a)
    graph.node(id="below_that")(lambda below_a: below_a)
    graph.node(id="b")(lambda: 1)
    graph.node(id="below_b")(lambda b: b + 1)
    result = graph.run()
    assert result.merged == {"below_b": 2}
    assert ended(result, "below_that") == ("skipped", None, "dependency")


def test_a_required_failure_fails_the_run_and_a_fallback_spares_it():
    graph = Graph("page")
    graph.node(id="a")(fails)
    with pytest.raises(NodeError, match=r"^a failed"):
        graph.run()
    graph["a"].fallback = {"spared": True}
    assert graph.run().merged == {"spared": True}


def test_a_predicate_that_raises_is_the_nodes_failure():
    graph = Graph("page")
    graph.node(id="a", when=lambda: 1 / 0, optional=True)(lambda: 1)
    result = graph.run()
    assert ended(result, "a") == ("failed", None, "exception")
    assert isinstance(result.outcomes["a"].error, ZeroDivisionError)


def test_when_knows_the_argument_names_of_a_class_nodes_parents():
    class Shows(Node):
        when = lambda context, user: user == context  # noqa: E731

        def load(self, context, user):
            return f"shown to {user}"

    graph = Graph("page")
    graph.node(id="a-user")(lambda: "ann")
    shows = Shows("shows")
    shows.add_parent("a-user", "user")
    graph.add(shows)
    assert graph.run("ann").merged == {"shows": "shown to ann"}
    assert graph.run("bob").outcomes["shows"].state == "skipped"


def test_a_method_can_decide_and_can_answer():
    class Careful(Node):
        limit = 3

        def when(self, context):
            return context < self.limit

        def fallback(self, context, error):
            return {"limit": self.limit, "error": str(error)}

        def load(self, context):
            raise ValueError("no")

    graph = Graph("page")
    graph.add_root(Careful("a"))
    assert graph.run(1).merged == {"limit": 3, "error": "no"}
    assert graph.run(5).outcomes["a"].state == "skipped"


def test_options_are_class_attributes_too():
    class Spared(Node):
        optional = True
        timeout = 0.01
        output = "spared"
        fallback = staticmethod(lambda context, error: type(error).__name__)

        def load(self, context):
            gevent.sleep(5)

    graph = Graph("page")
    graph.add_root(Spared)
    assert graph.run().merged == {"spared": "TimeoutError"}


def test_a_required_fallback_that_raises_fails_the_run_with_its_own_error():
    def worse(context, error):
        raise KeyError("worse")

    graph = Graph("page")
    graph.node(id="a", fallback=worse)(fails)
    with pytest.raises(NodeError) as failed:
        graph.run()
    assert isinstance(failed.value.__cause__, KeyError)
    assert failed.value.result.outcomes["a"].state == "failed"


# -- another node as the fallback


def counting(answer=lambda: "spare's data"):
    calls = []

    class Spare(Node):
        def load(self, context):
            calls.append(context)
            return answer()

    return Spare("spare"), calls


def test_a_fallback_node_runs_only_on_failure():
    graph = Graph("page")
    spare, calls = counting()
    graph.node(id="a", fallback=spare)(lambda context: fails() if context else "own")
    result = graph.run(0)
    assert calls == []
    assert result.outcomes["spare"].state == "skipped"
    assert result.complete is True
    assert result.merged == {"a": "own"}
    result = graph.run(1)
    assert calls == [1]
    assert ended(result, "a") == ("fallback", "spare's data", "exception")
    assert result.merged == {"a": "spare's data"}
    assert result.complete is False


def test_a_fallback_node_can_be_a_class_and_serve_several():
    class Spare(Node):
        def load(self, context):
            return "spare"

    graph = Graph("page")
    graph.node(id="a", fallback=Spare)(fails)
    graph.node(id="b", fallback=Spare)(fails)
    graph.node(id="c", fallback=Spare)(lambda: "own")
    assert graph.run().merged == {"a": "spare", "b": "spare", "c": "own"}


def test_an_owner_that_fails_after_its_stand_in_has_ended_gets_its_data():
    graph, stood_in = Graph("page"), Event()
    spare, calls = counting(lambda: stood_in.set() or "spare's data")

    @graph.node(fallback=spare)
    def late():
        stood_in.wait()
        raise ValueError

    graph.node(id="early", fallback=spare)(fails)
    assert graph.run().merged == {"late": "spare's data", "early": "spare's data"}
    assert len(calls) == 1


def test_a_fallback_node_that_fails_leaves_the_failure_with_its_owner():
    graph = Graph("page")
    spare, _ = counting(fails)
    graph.node(id="a", fallback=spare)(fails)
    with pytest.raises(NodeError, match=r"^a failed \(exception\): no") as failed:
        graph.run()
    assert failed.value.result.outcomes["spare"].state == "failed"


def test_a_fallback_node_may_have_parents_and_a_fallback_of_its_own():
    graph = Graph("page")
    graph.node(id="base", optional=True)(lambda context: fails() if context == "no base" else "base")

    class Spare(Node):
        def load(self, context, base):
            return f"spare over {base}"

    spare = Spare("spare", fallback="last")
    spare.add_parent("base", "base")
    graph.node(id="a", fallback=spare)(fails)
    assert graph.run().merged == {"a": "spare over base"}
    assert graph.run("no base").merged == {"a": "last"}


def test_a_fallback_node_that_cannot_run_is_no_answer():
    graph = Graph("page")
    graph.node(id="base", optional=True)(fails)

    class Spare(Node):
        def load(self, context, base):
            return base

    spare = Spare("spare")
    spare.add_parent("base", "base")
    graph.node(id="a", fallback=spare, optional=True)(fails)
    result = graph.run()
    assert ended(result, "a") == ("failed", None, "exception")
    assert ended(result, "spare") == ("skipped", None, "dependency")


def test_below_a_required_failure_is_skipped_and_the_rest_cancelled():
    graph = Graph("page")
    graph.node(id="a")(fails)
    graph.node(id="below")(lambda a: a)
    graph.node(id="further")(lambda below: below)
    graph.node(id="other", after="a")(lambda: 1)
    with pytest.raises(NodeError) as failed:
        graph.run()
    assert {id: (o.state, o.reason) for id, o in failed.value.result.outcomes.items()} == {
        "a": ("failed", "exception"),
        "below": ("skipped", "dependency"),
        "further": ("skipped", "dependency"),
        "other": ("cancelled", "cancelled"),
    }


def test_a_fallback_node_is_skipped_when_the_last_of_its_owners_did_without():
    graph = Graph("page")
    spare, calls = counting()
    graph.node(id="first", fallback=spare)(lambda: 1)
    graph.node(id="second", fallback=spare)(lambda first: 2)
    graph.node(id="below")(lambda second: 3)
    result = graph.run()
    assert result.merged == {"below": 3}
    assert calls == []
    assert ended(result, "spare") == ("skipped", None, None)


def test_owners_of_one_fallback_node_may_wait_for_each_other():
    graph = Graph("page")
    spare, calls = counting()
    graph.node(id="first", fallback=spare)(lambda context: fails() if "first" in context else 1)
    graph.node(id="second", fallback=spare)(lambda context, first: fails() if "second" in context else [first])
    for failing, merged in {
        "": [1],
        "first": ["spare's data"],
        "second": "spare's data",
        "first second": "spare's data",
    }.items():
        assert graph.run(failing).merged == {"second": merged}
    assert len(calls) == 3


def test_a_child_of_an_owner_gets_its_stand_ins_data():
    graph = Graph("page")
    spare, _ = counting()
    graph.node(id="a", fallback=spare)(fails)
    graph.node(id="child")(lambda a: a)
    assert graph.run().merged == {"child": "spare's data"}


def test_what_had_ended_before_a_required_failure_keeps_its_outcome():
    graph = Graph("page")
    graph.node(id="optional", optional=True)(fails)
    graph.node(id="below")(lambda optional: 1)
    graph.node(id="breaks", after="below")(fails)
    with pytest.raises(NodeError, match=r"^breaks failed") as failed:
        graph.run()
    assert ended(failed.value.result, "below") == ("skipped", None, "dependency")
    assert ended(failed.value.result, "optional") == ("failed", None, "exception")


@pytest.mark.parametrize("options", [{}, {"optional": True}, {"fallback": 1}], ids=str)
def test_a_relayed_answer_is_the_runs_whatever_the_nodes_failure_would_mean(options):
    def relays():
        raise Relayed("404", status=404)

    graph = Graph("page")
    graph.node(id="a", **options)(relays)
    with pytest.raises(NodeError) as failed:
        graph.run()
    assert isinstance(failed.value.__cause__, Relayed)
