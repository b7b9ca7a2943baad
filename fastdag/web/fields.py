"""`?fields=seller,offer.price`: the client says which outputs it wants, and only what they need runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastdag.errors import UnknownOutput
from fastdag.graph import Graph
from fastdag.web.problem import Problem

__all__ = ["refused", "schema", "wanted"]


# More than anybody needs, and less than a request line holds.
MAX_NAMES, MAX_LENGTH = 20, 64

_PATH = re.compile(r"[^,.]+(\.[^,.]+)*").fullmatch


def wanted(graph: Graph, params: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What the query asks for; `None` for everything.

    A program may ask for any node's data. A client may not: nodes that are no outputs stay inside.
    """
    said = params.get("fields")
    if said is None:
        return None
    names = tuple(name for part in (said if isinstance(said, list) else [said]) for name in part.split(","))
    if len(names) > MAX_NAMES:
        raise Problem(400, detail=f"The query asks for more than {MAX_NAMES} fields.")
    plan = graph.compile()
    keys, shown = set(dict(plan.outputs).values()), dict(plan.outputs)
    for name in names:
        head = name.partition(".")[0]
        inside = head in plan.index and plan.index[head] not in shown and head not in keys and plan.body is None
        if inside or len(name) > MAX_LENGTH or not _PATH(name):
            raise _unknown((name,), _outputs(graph))
    return names


def refused(error: UnknownOutput) -> Problem:
    """400, with what there is to ask for."""
    return _unknown(error.unknown, error.known)


def schema(graph: Graph) -> dict[str, Any]:
    """What the parameter may hold, as far as it is known before a run."""
    plan = graph.compile()
    head = "[^,.]+"
    if plan.body is None and all(key is not None for _, key in plan.outputs):
        head = f"({'|'.join(re.escape(name) for name in _outputs(graph))})"
    name = {"type": "string", "maxLength": MAX_LENGTH, "pattern": f"^{head}(\\.[^,.]+)*$"}
    return {"type": "array", "minItems": 1, "maxItems": MAX_NAMES, "items": name}


def _outputs(graph: Graph) -> tuple[str, ...]:
    plan = graph.compile()
    return tuple(sorted({key or plan.ids[index] for index, key in plan.outputs}))


def _unknown(unknown: tuple[str, ...], known: tuple[str, ...]) -> Problem:
    errors = [{"in": "query", "pointer": "/fields", "detail": f"There is no {name!r} to ask for."} for name in unknown]
    return Problem(400, detail="The query asks for fields that are not there.", errors=errors, known=list(known))
