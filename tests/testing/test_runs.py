"""Assertions on what ran, with their messages."""

import pytest

from fastdag import Graph, NodeError
from fastdag.testing import may_run, must_not_run, must_run


@pytest.fixture
def result():
    graph = Graph("page")

    @graph.node
    def user(context):
        return "Ada"

    @graph.node(optional=True)
    def ads(context, user):
        raise TimeoutError

    @graph.node(optional=True)
    def banner(ads):
        return ads

    @graph.node(when=lambda context: False)
    def extra(context):
        return 1

    return graph.run()


def test_what_ran_and_what_did_not(result):
    must_run(result, "user", "ads")
    must_not_run(result, "banner", "extra")
    may_run(result, "user", "ads", "banner")


def test_a_node_that_should_have_run(result):
    with pytest.raises(AssertionError, match=r"^did not run: banner \(skipped, dependency\), extra \(skipped\)$"):
        must_run(result, "user", "banner", "extra")


def test_a_node_that_should_not_have_run(result):
    with pytest.raises(AssertionError, match=r"^ran: ads \(failed, timeout\)$"):
        must_not_run(result, "ads", "extra")


def test_a_node_that_nobody_allowed(result):
    with pytest.raises(AssertionError, match=r"^ran besides user: ads \(failed, timeout\)$"):
        may_run(result, "user")
    with pytest.raises(AssertionError, match=r"^ran besides nothing: user"):
        may_run(result)


def test_a_name_that_is_no_node_is_no_success(result):
    for check in (must_run, must_not_run, may_run):
        with pytest.raises(LookupError, match=r"the run had no node 'usr'; did you mean 'user'\?"):
            check(result, "usr")


def test_it_works_on_a_run_that_failed():
    graph = Graph("page")
    graph.node(id="one")(lambda context: 1 / 0)
    graph.node(id="two")(lambda one: one)
    with pytest.raises(NodeError) as info:
        graph.run()
    must_run(info.value.result, "one")
    must_not_run(info.value.result, "two")
