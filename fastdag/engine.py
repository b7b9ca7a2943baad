"""One run of a plan: its caller, its workers, its deadline.

Who does what. The *caller*, the greenlet that asked for the run, executes no node: it waits, so that the answer can
leave on time whatever a node does. *Workers*, greenlets of the hub's crew, pop ready nodes and run them one after
another. The *hub* does what comes from outside a node: start, deadline, node timeouts, cancellation. All of them
write into the same ledger (`ledger.py`), whose states are written once; `workers.py` knows who is at what.

How nodes overlap. Most nodes do not block, so a greenlet for each would cost many times what they do. A worker
that is about to run a node while others are ready has the loop start one more worker, soon. If the node does not
block, that worker finds an empty queue; if it does, the others start at once. Nodes that mostly wait are popped first.

Bounds. `SLICE`, 5 ms: a worker that has computed for so long without blocking lets the loop turn once, since that is
what all other requests are waiting for. Timers have the lowest priority of the loop, so that an answer which is
there is seen before the timer that ran out beside it.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from typing import Any

from fastdag.concurrency import breathe, from_signal_handler, getcurrent
from fastdag.context import SCOPE, Scope, current_scope
from fastdag.deadline import earliest, now
from fastdag.errors import reason_of
from fastdag.events import Instruments
from fastdag.flying import Flight
from fastdag.ledger import FALLBACK, FALLING, NOTHING, OK, PENDING, SKIPPED
from fastdag.plan import DIRECT, FLIGHT, ONE_PARENT, TWO_PARENTS, Plan, Step
from fastdag.pressure import pressure
from fastdag.workers import Cancelled, Workers

__all__ = ["Run"]

SLICE = 0.005
NEVER = float("inf")
LAST = -2  # priority of timers

_set_scope = SCOPE.set

_SKIP = object()  # what a node gives whose `when=` said no
_FLYING = object()  # what one gives that waits without a greenlet


class Run(Workers):
    """One run. `go` does all of it; the rest is called by the loop, and by the workers that it starts."""

    __slots__ = (
        "caller",
        "context",
        "contextvars",
        "inline",
        "limit",
        "over",
        "scope",
        "stopped_by",
        "timer",
        "woken",
    )

    def __init__(self, plan: Plan, context: Any, timeout: float | None, instruments: Instruments) -> None:
        Workers.__init__(self, plan, now(), instruments)  # by name: `super()` costs as much as two nodes
        self.context = context
        self.over = False
        self.timer: Any = None
        self.caller: Any = getcurrent()
        if self.caller is self.hub:
            raise RuntimeError("a graph cannot run in the event loop itself; run it in a greenlet")
        self.woken = self.inline = False
        self.stopped_by: BaseException | None = None
        outer = current_scope()
        deadline = None if timeout is None else self.start + timeout
        if outer is not None:
            deadline = earliest(deadline, outer.deadline)
        self.limit = NEVER if deadline is None else deadline
        self.scope = scope = Scope(context, deadline, self, outer)
        self.contextvars = copy_context()
        self.contextvars.run(_set_scope, scope)

    # -- the caller

    def go(self) -> None:
        """Run the plan; returns when every node has ended, or enough is known to say that the run failed."""
        if self.plan.sheddable:
            self._brown_out()
        # A plan can be empty: of a graph of sinks only, or when no output is asked for.
        self.hub.loop.run_callback(self.relay if self.left else self.all_ended)
        try:
            while not self.woken:
                self.hub.switch()
        except BaseException as error:  # killed, timed out or interrupted: the run goes with its caller
            self.cancel()
            # At a `Cancelled`, a run around this one ends, and waits for nobody.
            while not (self.woken or isinstance(error, Cancelled)):
                self.hub.switch()
            raise
        finally:
            self.woken = True
            if self.timer is not None:
                self.timer.stop()
                self.timer.close()
            self.caller = None  # a result that somebody keeps keeps the run, but no greenlet
        if self.stopped_by is not None:
            raise self.stopped_by

    def _brown_out(self) -> None:
        """Under pressure, optional nodes are dropped before they start: better a part for all than all for some."""
        for i in self.shed(pressure().level):
            if self.instruments.active:
                self.instruments.emit("node.shed", graph=self.plan.graph_id, node=self.plan.ids[i])

    def _wake(self) -> None:
        if not self.woken:
            self.woken = True
            self.caller.switch()

    # -- workers

    def relay(self) -> None:
        """In the hub: one worker after another, as long as there is something that those before have left."""
        self.inline = True
        while (self.ready or self.waits_ready) and not self.breathing and self.limit > -NEVER:
            self.crew.run(self.work)
        self.inline = self.relaying = False
        if self.over:
            # The workers above ended it. If nothing is to wait for, its caller goes on.
            if not (self.trouble or self.spawned or self.woken):
                self.woken = True
                self.caller.switch()
        elif self.timer is None and self.limit < NEVER:
            # Armed only now: a run that never blocks is over before, and looks at the clock itself.
            self.timer = self.hub.loop.timer(max(self.limit - now(), 0.0), priority=LAST)
            self.timer.start(self.expire)

    def work(self) -> bool:
        """Run ready nodes until there are none, each in its own copy of the caller's contextvars.

        True if this greenlet must not be used again: a node in it ended after its time.
        """
        # No name holds the greenlet: an error that a node raised keeps this frame, and must not keep the greenlet.
        running = self.workers[getcurrent()] = [-1, 0]
        tainted = False
        plan, state, values, waiting, context = self.plan, self.state, self.values, self.waiting, self.context
        calls, children, waits, stand_ins = plan.calls, plan.children, plan.waits, plan.stand_ins
        began, ended, ready, waits_ready, missing = self.began, self.ended, self.ready, self.waits_ready, self.missing
        own, loop = self.contextvars.copy, self.hub.loop
        clock = now()
        turn, breathe_at = loop.iteration, clock + SLICE
        while waits_ready or ready:
            if clock >= breathe_at:
                if loop.iteration == turn:
                    running[0] = -1
                    self.breathing = True
                    breathe()
                    self.breathing = False
                    before, clock = clock, now()
                    self.breaths = {**self.breaths, clock: before}
                turn, breathe_at = loop.iteration, clock + SLICE
                continue
            if clock >= self.limit:
                if not self.fatal and not self.over:
                    loop.run_callback(self.expire)
                    self.limit = -NEVER
                break
            i = waits_ready.popleft() if waits_ready else ready.popleft()
            if not self.relaying and (ready or waits_ready):
                self.relaying = True
                loop.run_callback(self.relay)
            if i < 0:
                running[0] = ~i
                if self._fall_back(~i):
                    tainted = True
                    break
                clock = now()
                continue
            if missing and i in missing:
                self.without_parents(i, clock)
                continue
            shape, function, a, b = calls[i]
            running[0] = i
            began[i] = clock
            try:
                if shape == TWO_PARENTS:
                    value = own().run(function, context, values[a], values[b])
                elif shape == ONE_PARENT:
                    value = own().run(function, context, values[a])
                elif shape == DIRECT:
                    value = own().run(function, context)
                elif shape == FLIGHT:
                    value = own().run(self._fly, plan.steps[i])
                    if value is _FLYING:
                        running[0] = -1
                        clock = now()
                        continue
                else:
                    value = self._roundabout(plan.steps[i])
            except BaseException as error:
                if self._raised(i, error, PENDING):
                    tainted = True
                    break
                clock = now()
                continue
            if state[i]:  # somebody wrote its outcome meanwhile, so it swallowed its cancellation
                tainted = True
                break
            clock = now()
            if value is _SKIP:
                self.settle(i, SKIPPED, clock)
                continue
            # What `settle` does, for the most frequent end.
            values[i] = value
            state[i] = FALLBACK if i in self.stale else OK
            ended[i] = clock
            self.left -= 1
            for child in children[i]:
                waiting[child] = left = waiting[child] - 1
                if not left:
                    if waits[child]:
                        waits_ready.append(child)
                    else:
                        ready.append(child)
            if stand_ins[i]:
                self.stand_in(i, clock)
            if not (self.left or self.fatal):
                self._finish()
        running[0] = -1
        del self.workers[getcurrent()]
        if tainted:
            self._kick()
        return tainted

    def _kick(self) -> None:
        """Have a worker started for what somebody outside of one has made ready."""
        if (self.ready or self.waits_ready) and not self.relaying:
            self.relaying = True
            self.hub.loop.run_callback(self.relay)

    # -- a node that waits without a greenlet

    def _fly(self, step: Step) -> Any:
        """Have a node take off; or land, where that may take its time."""
        i, flyer = step.index, step.flyer
        assert flyer is not None
        if self.landed and i in self.landed:
            flight, self.began[i] = self.landed.pop(i)
            return flyer.land(self.context, flight)
        on_landing = partial(self._on_landing, i)
        if step.call.positional or step.call.named:
            args, parents = self.arguments(step.call)
            flying, value = flyer.take_off(self.context, on_landing, *args, **parents)
        else:
            flying, value = flyer.take_off(self.context, on_landing)
        if flying is None:
            return value
        if self.state[i]:  # its outcome was written meanwhile, and nobody would end the flight
            flying.cancel()
            return None
        if self.flights is NOTHING:
            self.flights = {}
        self.flights[i] = flying
        return _FLYING

    def _on_landing(self, i: int, flight: Flight) -> None:
        """In the hub: what a node waited for is there. Most land right here, and so does the run."""
        del self.flights[i]
        flyer = self.plan.steps[i].flyer
        assert flyer is not None
        if flight.done and flyer.light:
            self.inline = True
            try:
                self.values[i] = flyer.land(self.context, flight)
            except BaseException as error:
                self._raised(i, error, PENDING)
            else:
                self.settle(i, OK, now())
            self.inline = False
        else:
            if self.landed is NOTHING:
                self.landed = {}
            self.landed[i] = flight, self.began[i]
            self.waits_ready.append(i)
        if self.ready or self.waits_ready:
            self.relay()
        elif self.over and not (self.trouble or self.spawned):
            self._wake()

    # -- a node with more to it than a call

    def _roundabout(self, step: Step) -> Any:
        """Call a node that has a condition, a timeout, defaults, names or outcomes."""
        contextvars = self.contextvars.copy()
        if step.timeout is None:
            return contextvars.run(self._evaluate, step)
        limit = earliest(now() + step.timeout, self.scope.deadline)
        scope = Scope(self.context, limit, node_id=step.id, run=self, parent=self.scope)
        contextvars.run(SCOPE.set, scope)
        timer = self.hub.loop.timer(step.timeout, priority=LAST)
        timer.start(self._node_timeout, step, scope)
        try:
            return contextvars.run(self._evaluate, step)
        finally:
            timer.stop()
            timer.close()

    def _evaluate(self, step: Step) -> Any:
        if step.when is not None and not self.apply(step.when, self.context):
            return _SKIP
        return self.apply(step.call, self.context)

    def _fall_back(self, i: int) -> bool:
        """Call the fallback of a node that failed; true if it went on after its time."""
        step, error = self.plan.steps[i], self.trouble[i][1]
        assert step.fallback_call is not None and error is not None
        try:
            value = self.contextvars.copy().run(step.fallback_call, self.context, error)
        except BaseException as second:
            return self._raised(i, second, FALLING)
        if self.state[i] != FALLING:
            return True
        self.values[i] = value
        self.settle(i, FALLBACK, now())
        return False

    def _raised(self, i: int, error: BaseException, expected: int) -> bool:
        """A node, or its fallback, raised; true if its outcome had been written before."""
        if isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and from_signal_handler(error)):
            self.cancel(error)
        if self.state[i] != expected:
            return True
        if expected == FALLING:
            self.trouble[i] = (reason_of(error), error)
            self.lose(i, now())
        else:
            self.fail(i, error, reason_of(error), now())
        return False

    # -- the end

    def all_ended(self) -> None:
        if not self.fatal:
            self._finish()

    def required_failed(self) -> None:
        self.limit = -NEVER
        if len(self.fatal) == 1:
            # At the end of this turn of the loop: others may fail in it too, and the first declared decides.
            self.hub.loop.run_callback(self.cancel)

    def cancel(self, error: BaseException | None = None) -> None:
        """End the run now: what is in flight is interrupted, what has not started never will be."""
        if not self.over:
            self.close(now())
            self.interrupt_all()
            self._finish(error)

    def _finish(self, error: BaseException | None = None) -> None:
        """Wake the caller in the next turn of the loop: what is interrupted in this one is gone by then."""
        self.over = self.scope.closed = True
        self.scope.run = None  # nothing that a node keeps, a contextvars copy say, keeps the run
        self.limit = -NEVER
        self.stopped_by = error
        if self.spawned:
            for greenlet in self.spawned:
                greenlet.kill(block=False)
        if self.trouble or self.spawned or not self.inline:
            self.hub.loop.run_callback(self._wake)

    def _node_timeout(self, step: Step, scope: Scope) -> None:
        """In the hub: a node's own time is up."""
        if self.state[step.index] == PENDING:
            scope.closed = True
            for greenlet, cell in self.workers.items():  # first, so that it is over when that ends the run
                if cell[0] == step.index:
                    self.interrupt(greenlet, cell)
            late = TimeoutError(f"{step.id} took longer than {step.timeout} s")
            self.fail(step.index, late, "timeout", now())
            self._kick()

    def expire(self) -> None:
        """In the hub: the run's deadline. Who runs has timed out; who has not started is skipped, or missed."""
        if not self.over and not self.fatal:
            self.limit = -NEVER
            running = self.running()
            self.interrupt_all()
            self.run_out(running, self._answer_now, now())
            self.cancel()

    def _answer_now(self, i: int) -> None:
        """In the hub: a fallback that is called after the deadline must answer without blocking."""
        self.crew.run(lambda: self._last_word(i))

    def _last_word(self, i: int) -> bool:
        self.workers[getcurrent()] = [i, 0]
        try:
            return self._fall_back(i)
        finally:
            del self.workers[getcurrent()]
