"""An app with a mistake that only its graph can know: gunicorn must not start with it."""

from fastdag import App, Graph

page = Graph("page")


@page.node
def offer(context, usr):
    return usr


@page.node
def user(context):
    return {}


app = App()
app.add_graph("/page", page)
