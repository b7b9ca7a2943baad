"""What a function accepts: its parameters, read once when a graph is compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from fastdag.outcome import Outcome

__all__ = ["REQUIRED", "Param", "Parameters", "wrong_kind"]


_YIELDS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


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
        params = _plain(function) or _inspected(function)
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


def _inspected(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except Exception:  # an annotation that only a type checker can resolve, or a person
        signature = inspect.signature(function)
    return list(signature.parameters.values())


def _plain(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What `inspect` says of functions and methods that nothing is wrapped around and whose annotations are no text.

    They are nearly all nodes of large graphs, and `inspect` takes most of the time of compiling one.
    """
    bound = isinstance(function, MethodType)
    plain: Any = function.__func__ if isinstance(function, MethodType) else function
    if type(plain) is not FunctionType or plain.__dict__:
        return []
    annotations = plain.__annotations__
    if any(isinstance(annotation, str) for annotation in annotations.values()):
        return []
    code = plain.__code__
    kinds = inspect.Parameter
    leading: list[Any] = [kinds.POSITIONAL_ONLY] * code.co_posonlyargcount
    leading += [kinds.POSITIONAL_OR_KEYWORD] * (code.co_argcount - code.co_posonlyargcount)
    stars = kinds.VAR_POSITIONAL if code.co_flags & inspect.CO_VARARGS else None
    named = [kinds.KEYWORD_ONLY] * code.co_kwonlyargcount
    # co_varnames has *args behind the keyword-only ones.
    names = list(code.co_varnames)
    in_order: list[tuple[str, Any]] = list(zip(names, [*leading, *named], strict=False))
    rest = names[len(in_order) :]
    if stars is not None:
        in_order.insert(len(leading), (rest.pop(0), stars))
    if code.co_flags & inspect.CO_VARKEYWORDS:
        in_order.append((rest.pop(0), kinds.VAR_KEYWORD))
    positional = plain.__defaults__ or ()
    defaults = dict(zip(names[code.co_argcount - len(positional) : code.co_argcount], positional, strict=True))
    defaults.update(plain.__kwdefaults__ or {})
    params = [
        kinds(name, kind, default=defaults.get(name, kinds.empty), annotation=annotations.get(name, kinds.empty))
        for name, kind in in_order
    ]
    return params[1:] if bound else params


def wrong_kind(function: Callable[..., Any]) -> str | None:
    """Why a function cannot be called to get a value: it is a coroutine function or a generator function."""
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_flags & _YIELDS:
        return None
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is 'async def', which gevent does not run; write a plain function, blocking calls overlap anyway"
    if inspect.isgeneratorfunction(function):
        return "is a generator function; return a list instead of yielding"
    return None
