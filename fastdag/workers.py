"""Who works for a run: the greenlets that run its nodes, what each of them is at, and how they are interrupted."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol

from fastdag.concurrency import GreenletExit, crew, get_hub, getcurrent, spawn
from fastdag.errors import StaleAnswer
from fastdag.events import Instruments
from fastdag.flying import Flight
from fastdag.ledger import NOTHING, PENDING, Ledger
from fastdag.plan import Plan

__all__ = ["Cancelled", "Source", "Workers"]


class Cancelled(GreenletExit):
    """Thrown into a node that nobody waits for any more. Not an `Exception`: `except Exception` lets it through."""


class Source(Protocol):
    """Something inside a node that has work of its own to hand out, such as the elements of an `each=`."""

    def runnable(self) -> bool: ...

    def park(self, wait: Callable[[], Any]) -> Any: ...


class Workers(Ledger):
    """A ledger, and the greenlets that write into it.

    `workers` maps each greenlet to a cell that holds the node it runs, or -1, and whether that was interrupted. The
    first is set by the greenlet itself, and read in the hub only, when that greenlet waits: inside the node.
    """

    __slots__ = (
        "abandoned",
        "breathing",
        "crew",
        "flights",
        "hub",
        "instruments",
        "landed",
        "relaying",
        "sources",
        "spawned",
        "storage",
        "workers",
    )

    def __init__(self, plan: Plan, start: float, instruments: Instruments) -> None:
        Ledger.__init__(self, plan, start)
        self.instruments = instruments
        self.hub = hub = get_hub()
        self.crew = crew(hub)
        self.workers: dict[Any, list[int]] = {}
        self.flights: dict[int, Flight] = NOTHING  # of the nodes that wait without a greenlet
        self.landed: dict[int, tuple[Flight, float | None]] = NOTHING  # those that a worker has to go on with, by node
        self.spawned: dict[Any, None] = NOTHING  # a set, in the order of birth
        self.sources: dict[Any, Source] = NOTHING  # greenlet -> whom it takes its work from, inside its node
        self.storage: dict[Any, Any] = NOTHING  # see `kept`
        self.abandoned = 0
        self.breathing = False  # a worker lets the loop turn and goes on: nobody takes its place meanwhile
        self.relaying = True  # whoever starts the run asks for the first relay

    def node_of(self, greenlet: Any) -> int | None:
        """The node that a greenlet runs, where it is known."""
        cell = self.workers.get(greenlet)
        return cell[0] if cell is not None and cell[0] >= 0 else None

    def running_id(self) -> str | None:
        """The id of the node that the current greenlet runs, where it is known."""
        node = self.node_of(getcurrent())
        return None if node is None else self.plan.ids[node]

    def runnable(self) -> bool:
        """Whether anything could run right now; what waits for I/O could not."""
        waiting = self.ready or self.waits_ready
        return bool(waiting) or self.relaying or any(source.runnable() for source in set(self.sources.values()))

    def kept(self) -> dict[Any, Any]:
        """What node kinds and instruments keep for the length of a run, by their own keys."""
        if self.storage is NOTHING:
            self.storage = {}
        return self.storage

    def take_work_from(self, source: Source) -> None:
        """Say whom the current greenlet takes its work from, inside its node, until it is deleted from `sources`."""
        if self.sources is NOTHING:
            self.sources = {}
        self.sources[getcurrent()] = source

    def incomplete(self, id: str, error: BaseException, reason: str) -> None:
        """Note that a node gives its data, but not all of it."""
        self.trouble[self.plan.index[id]] = (reason, error)

    def gave_stale(self, id: str, stale: StaleAnswer) -> None:
        """Note that a node was given an old answer in place of a failure."""
        i = self.plan.index[id]
        self.trouble[i] = (stale.reason, stale)
        self.stale += (i,)

    def assist(self, node: int, task: Callable[[], object]) -> None:
        """In the hub: run a task in one more greenlet, on behalf of a node and interrupted with it."""

        def work() -> bool:
            self.workers[getcurrent()] = [node, 0]
            try:
                task()
            finally:
                del self.workers[getcurrent()]
            return self.state[node] != PENDING

        self.crew.run(work)

    def spawn(self, function: Callable[..., Any], *args: Any) -> Any:
        """For `context.spawn`: a greenlet with the caller's contextvars that dies with the run."""
        greenlet = spawn(copy_context().run, function, *args)
        if self.spawned is NOTHING:
            self.spawned = {}
        self.spawned[greenlet] = None
        greenlet.rawlink(lambda ended: self.spawned.pop(ended, None))
        return greenlet

    def running(self) -> set[int]:
        """The nodes that have begun and not ended; -1 may be among them."""
        return {cell[0] for cell in self.workers.values()} | self.flights.keys() | self.landed.keys()

    def interrupt_all(self) -> None:
        flights = [*self.flights.values(), *(flight for flight, _ in self.landed.values())]
        for i in self.landed:
            if i in self.waits_ready:  # else the books are closed already
                self.waits_ready.remove(i)
        self.flights = self.landed = NOTHING
        for flight in flights:
            flight.cancel()
        for greenlet, cell in self.workers.items():
            self.interrupt(greenlet, cell)

    def interrupt(self, greenlet: Any, cell: list[int]) -> None:
        if cell[0] >= 0 and greenlet is not getcurrent():
            self.hub.loop.run_callback(self._throw, greenlet, cell, cell[0])

    def _throw(self, greenlet: Any, cell: list[int], i: int) -> None:
        """In the hub: interrupt a node. One that goes on all the same is abandoned."""
        if cell[0] == i and not cell[1]:
            cell[1] = 1
            greenlet.throw(Cancelled())
            if cell[0] == i:
                self.abandoned += 1
                if self.instruments.active:
                    self.instruments.emit("node.abandoned", graph=self.plan.graph_id, node=self.plan.ids[i])
