"""Who takes the next connection: the workers of one gunicorn say in shared memory how many each of them has.

They all watch the same socket, and whoever wakes first gets the connection: on a busy machine two workers of four
took all of 64. (A socket for each of them, `reuse_port`, leaves it to a hash, and gives connections to a worker that
is blocked, too.) So a worker that has more than another lets that one go first, for a moment: see `Listener`.
"""

from __future__ import annotations

from mmap import mmap

__all__ = ["Board", "Seat"]

#: Two workers whose numbers are this far apart share a row; they are then less even, nothing else.
_ROWS = 256

#: A worker that has not been heard of for so many seconds is busy, blocked or dead: nobody waits for it.
_SILENT = 0.2

#: What a worker that drains says it has: everybody else goes first.
_FULL = 1e9


class Board:
    """A row for each worker: when it was last heard of, and how many connections it has.

    Made before gunicorn forks, it is the same memory in all of its processes. Each row has one writer, and a number
    of eight aligned bytes is written at once, so there is nothing to lock.
    """

    __slots__ = ("beats", "held")

    def __init__(self) -> None:
        self.beats, self.held = (memoryview(mmap(-1, _ROWS * 8)).cast("d") for _ in range(2))


class Seat:
    """One worker's row, and its view of the others."""

    __slots__ = ("_beats", "_held", "_row", "_siblings")

    def __init__(self, board: Board, number: int) -> None:
        self._beats, self._held = board.beats, board.held
        self._row = number % _ROWS
        self._siblings: list[int] = []
        self.hold(0)

    def beat(self, instant: float) -> None:
        """Be heard of, and see who else is."""
        self._beats[self._row] = instant
        self._siblings = [row for row, last in enumerate(self._beats) if last > instant - _SILENT and row != self._row]

    def hold(self, connections: float) -> None:
        self._held[self._row] = connections

    def stand_back(self) -> None:
        """This worker drains: it takes what nobody else does."""
        self.hold(_FULL)

    def leave(self) -> None:
        """Nobody waits for this worker any more."""
        self._beats[self._row] = 0

    def ahead(self) -> float:
        """By how many connections it has more than the worker with fewest, and an eighth: that is even enough."""
        fewest = min([self._held[row] for row in self._siblings], default=_FULL)
        return self._held[self._row] - fewest - fewest // 8
