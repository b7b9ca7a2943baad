"""Finds what holds the loop: a native thread looks whether it still turns, and if not, at what it is doing.

One node that computes for a second, or calls something that was not patched, stops every other request. The culprit is
still there to be seen only while it runs, so the look is taken by a thread, and written past the loop.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from types import FrameType

from fastdag.concurrency import original
from fastdag.deadline import now
from fastdag.engine import Run
from fastdag.server.heartbeat import INTERVAL, Heartbeat
from fastdag.server.house import House
from fastdag.server.logpump import Pumps

__all__ = ["Watchdog", "culprit"]


class Watchdog:
    """Reports, once per hold, a loop that has not turned for `blocked_after` seconds."""

    def __init__(self, house: House, heartbeat: Heartbeat, pumps: Pumps) -> None:
        self._house = house
        self._heartbeat = heartbeat
        self._pumps = pumps
        after = house.options.blocked_after
        self._stopped = after is None
        self._after = max(after or 0.0, 2 * INTERVAL)  # the loop is heard of once in an interval
        self._thread_id = original("_thread", "get_ident")()
        if not self._stopped:
            original("_thread", "start_new_thread")(self._watch, ())

    def stop(self) -> None:
        self._stopped = True

    def _watch(self) -> None:
        sleep = original("time", "sleep")
        reported = 0.0
        while not self._stopped:
            since = self._since()
            early = since + self._after - now()
            if early <= 0 and since != reported:
                reported = since
                self._report(now() - since)
            # To be there when it is due: while the loop turns, this thread wakes up a few times a second.
            sleep(early if early > 0 else INTERVAL)

    def _since(self) -> float:
        """Since when nothing has been seen of the loop: at most a beat longer than somebody may have held it."""
        # A turn in which hundreds of short requests had their time is long, too, but nobody holds the loop in it.
        return max(self._heartbeat.last, self._house.entered)

    def _report(self, held: float) -> None:
        frame = sys._current_frames().get(self._thread_id)
        if frame is None or _is_the_loop(frame):
            return  # it waits for its turn: the machine is busy, not the program
        who = culprit(frame)
        self._house.held_by(who)
        stack = "".join(traceback.format_stack(frame))
        self._pumps.write(
            f"{time.strftime('[%Y-%m-%d %H:%M:%S %z]')} [{os.getpid()}] [WARNING] "
            f"The loop is held for {held * 1000:.0f} ms so far by {who}:\n{stack}"
        )


def _is_the_loop(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "gevent.hub" and frame.f_code.co_name == "run"


def culprit(frame: FrameType) -> str:
    """The node a frame runs for, where it runs for one, and the function it is in."""
    code = frame.f_code
    where = f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})"
    node = _node_of(frame)
    return f"node {node!r} in {where}" if node else where


def _node_of(frame: FrameType | None) -> str | None:
    # Contextvars of another thread cannot be asked for. But the engine's loop is a frame further out, and which node
    # it runs is in its locals.
    while frame is not None:
        seen = frame.f_locals
        run, running = seen.get("self"), seen.get("running")
        if isinstance(run, Run) and running and running[0] >= 0:
            return str(run.plan.ids[running[0]])
        frame = frame.f_back
    return None
