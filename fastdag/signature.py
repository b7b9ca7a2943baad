"""What a function accepts: its parameters, read once when a graph is compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastdag.outcome import Outcome

__all__ = ["REQUIRED", "Param", "Parameters", "wrong_kind"]


class _Missing:
    """The absence of a value, where `None` is one."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Missing()


@dataclass(frozen=True, slots=True)
class Param:
    """One argument that a function accepts from a parent.

    `default` is `REQUIRED` or what is passed when the parent has no data. `outcome` asks for the parent's `Outcome`
    instead of its data. `implies` is the id of the parent that the parameter names by itself, if it does.
    """

    name: str
    default: Any = REQUIRED
    outcome: bool = False
    implies: str | None = None
    positional: bool = True
    keyword: bool = True


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything a function accepts: the context (`"first"`, `"context"` by keyword, or not at all) and parents."""

    context: str | None
    params: tuple[Param, ...] = ()
    any_positional: bool = False
    any_keyword: bool = False

    @classmethod
    def of(cls, function: Callable[..., Any], *, by_name: bool) -> Parameters:
        """Reads a signature. `by_name`: every parameter but `context` names its parent, as in a function node."""
        try:
            signature = inspect.signature(function, eval_str=True)
        except Exception:  # an annotation that only a type checker can resolve, or a person
            signature = inspect.signature(function)
        params = list(signature.parameters.values())
        context: str | None = None
        kinds = inspect.Parameter
        leading = params[0].kind if params and not by_name else kinds.KEYWORD_ONLY
        if leading in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL):
            context = "first"
            params = params if leading is kinds.VAR_POSITIONAL else params[1:]
        elif any(p.name == "context" for p in params):
            first = params[0].name == "context" and params[0].kind is not kinds.KEYWORD_ONLY
            context = "first" if first else "context"
            params = [p for p in params if p.name != "context"]
        named = tuple(
            Param(
                p.name,
                REQUIRED if p.default is p.empty else p.default,
                p.annotation is Outcome or p.annotation in ("Outcome", "fastdag.Outcome"),
                p.name if by_name else None,
                p.kind is not kinds.KEYWORD_ONLY,
                p.kind is not kinds.POSITIONAL_ONLY,
            )
            for p in params
            if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
        )
        rest = {p.kind for p in params}
        return cls(context, named, kinds.VAR_POSITIONAL in rest, kinds.VAR_KEYWORD in rest)


def wrong_kind(function: Callable[..., Any]) -> str | None:
    """Why a function cannot be called to get a value: it is a coroutine function or a generator function."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway"
    if inspect.isgeneratorfunction(function):
        return "is a generator function; return a list instead of yielding"
    return None
