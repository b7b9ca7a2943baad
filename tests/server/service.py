"""A fastdag app for the tests of the worker: nodes that wait, hold the loop, and tell what became of them."""

import gevent

from fastdag import App, Graph
from tests.server.program import hold_the_loop, post_worker_init  # noqa: F401

notes = []


def noted(name, seconds):
    notes.append(f"{name} began")
    try:
        gevent.sleep(seconds)
    except BaseException as error:
        notes.append(f"{name} {type(error).__name__}")
        raise
    notes.append(f"{name} ended")
    return name


page = Graph("page", timeout=5)


@page.node
def user(context):
    return noted("user", 0.3)


@page.node
def price(context):
    return noted("price", 4)


@page.node
def detail(context, user):
    return noted("detail", 4)


@page.node
def never(context, detail):
    return noted("never", 0)


heavy = Graph("heavy")


@heavy.node
def sums(context):
    hold_the_loop(0.6)


told = Graph("told")
events = []


@told.node(output=True)
def notebook(context):
    taken, heard = notes[:], events[:]
    notes.clear()
    events.clear()
    return {"notes": taken, "events": heard}


app = App()
app.add_graph("/page", page)
app.add_graph("/heavy", heavy)
app.add_graph("/told", told)
for name in ("request.shed", "loop.lagged"):
    app.instruments.on(name, lambda name, fields: events.append([name, dict(fields)]))
