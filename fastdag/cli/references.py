"""What nodes refer to in the request, beside what their route has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from fastdag.cli.routes import Route
from fastdag.node import Node, near
from fastdag.nodes.reference import Reference
from fastdag.plan import Plan

__all__ = ["unprovided"]

# A field of one of Falcon's templates, with or without a converter: {id}, {id:int(min=1)}.
_field = re.compile(r"\{([A-Za-z_]\w*)(?::[^{}]*)?\}").findall


def unprovided(route: Route, plan: Plan) -> Iterator[str]:
    """The references that can never have a value in requests to this route, a sentence each."""
    provided = {"path": (f"the path {route.path}", set(_field(route.path)))}
    query = route.resource.input.query
    if query is not None:
        # The instance has what the class names, whatever the parameters are called outside.
        provided["query"] = f"the query {query.__name__}", set(get_type_hints(query))
    for step in plan.steps:
        for reference in _references(step.node):
            where, names = provided.get(reference.source, ("", set()))
            if where and not reference.optional and reference.steps and reference.steps[0] not in names:
                yield (
                    f"{plan.graph_id}.{step.id}: {{{reference.text}}} never has a value, since {where} has no "
                    f"{reference.steps[0]!r}{near(reference.steps[0], names)}"
                )


def _references(node: Any) -> tuple[Reference, ...]:
    """A node's, or those of the node that it does for every element, or under another id."""
    while isinstance(node, Node):
        found: tuple[Reference, ...] | None = getattr(node, "references", None)
        if found is not None:
            return found
        node = getattr(node, "inner", None)
    return ()
