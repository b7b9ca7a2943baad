"""Layers of pure functions, each with two parents in the layer above, and the ways to run them.

Every contestant runs the same function objects. A parameter names its parent, which is how both fastdag and Hamilton
declare an edge, and `context` is the input. `expected()` is what the last layer must give.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import gevent

from benchmarks.install import PACKAGES
from fastdag import Graph

__all__ = ["CONTESTANTS", "Layers", "Run"]

# One run of all layers; returns the data of the nodes by id, of the last layer at least.
Run = Callable[[], Mapping[str, Any]]


class Layers:
    """`depth` layers of `width` functions; the first layer's take the context only."""

    def __init__(self, depth: int, width: int) -> None:
        self.parents: dict[str, tuple[str, ...]] = {}
        for layer in range(depth):
            for place in range(width):
                above = (place, (place + 3) % width) if layer else ()
                self.parents[f"n{layer}_{place}"] = tuple(f"n{layer - 1}_{other}" for other in above)
        self.last = list(self.parents)[-width:]
        self.functions: dict[str, FunctionType] = {}
        for number, (name, parents) in enumerate(self.parents.items()):
            # Hamilton wants annotations on everything.
            parameters = ", ".join(f"{each}: int" for each in ("context", *parents))
            total = " + ".join(("context", *parents))
            source = f"def {name}({parameters}) -> int:\n    return {total} + {number % 7}\n"
            exec(compile(source, name, "exec", dont_inherit=True), self.functions)
        self.functions.pop("__builtins__")

    def expected(self) -> dict[str, int]:
        """The last layer's data, computed step by step."""
        data: dict[str, int] = {}
        for name, parents in self.parents.items():
            data[name] = self.functions[name](1, *(data[parent] for parent in parents))
        return {name: data[name] for name in self.last}


def direct(layers: Layers) -> Run:
    """Straight-line code that calls each function and keeps its result by id: no engine can be faster."""
    lines = [
        f"    data[{name!r}] = {name}({', '.join(('1', *(f'data[{parent!r}]' for parent in parents)))})"
        for name, parents in layers.parents.items()
    ]
    scope: dict[str, Any] = dict(layers.functions)
    exec("\n".join(("def run():", "    data = {}", *lines, "    return data")), scope)
    run: Run = scope["run"]
    return run


def fastdag(layers: Layers) -> Run:
    graph = Graph("layers")
    for function in layers.functions.values():
        graph.node(function)
    graph.compile()
    return lambda: graph.run(1).node_data


def gevent_spawn(layers: Layers) -> Run:
    """A greenlet per node, which waits for those of its parents."""

    def node(function: Callable[..., Any], *parents: Any) -> Any:
        return function(1, *[parent.get() for parent in parents])

    def run() -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for name, parents in layers.parents.items():
            found[name] = gevent.spawn(node, layers.functions[name], *[found[parent] for parent in parents])
        gevent.joinall([found[name] for name in layers.last])
        return {name: found[name].value for name in layers.last}

    return run


def hamilton(layers: Layers) -> Run:
    """The synchronous driver, asked for the last layer, with results as a dict."""
    module = _hamilton_module(layers)
    from hamilton import base, driver

    ready = driver.Builder().with_modules(module).with_adapter(base.DictResult()).build()
    return lambda: ready.execute(layers.last, inputs={"context": 1})


def hamilton_async(layers: Layers) -> Run:
    """The asynchronous driver, on one event loop that is kept."""
    module = _hamilton_module(layers)
    from hamilton import async_driver

    loop = asyncio.new_event_loop()
    ready = loop.run_until_complete(async_driver.Builder().with_modules(module).build())
    return lambda: loop.run_until_complete(ready.execute(layers.last, inputs={"context": 1}))


def _hamilton_module(layers: Layers) -> Any:
    """The functions as a module, which is how Hamilton takes them; an ImportError if there is no Hamilton."""
    os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))  # last, so that only what is missing here comes from there
    from hamilton import ad_hoc_utils

    return ad_hoc_utils.create_temporary_module(*layers.functions.values())


CONTESTANTS: dict[str, Callable[[Layers], Run]] = {
    "direct calls": direct,
    "fastdag": fastdag,
    "Hamilton": hamilton,
    "Hamilton async": hamilton_async,
    "gevent.spawn per node": gevent_spawn,
}
