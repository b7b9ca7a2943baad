"""How hard this process is pressed: the reading by which optional work is dropped first (brown-out).

Whoever measures writes it, whoever decides reads it: the gunicorn worker measures its loop and its admission, the
engine asks before it starts an optional node. Where nobody measures, the reading stays at "no pressure".
"""

from __future__ import annotations

from typing import Any

from fastdag.concurrency import get_hub

__all__ = ["Pressure", "pressure"]


class Pressure:
    """The latest measurements of one loop.

    `lag` is by how many seconds the loop ran late in its last two turns, the smaller of the two: one that was held
    for once has no queue to shed. `fill` is the share of the admission limit that is taken, 0 to 1. `level` is both in
    one number: 0 is calm, 1 is the point at which requests are refused. Something optional that matters least goes
    first, at a low level; nothing required is ever dropped here.
    """

    __slots__ = ("fill", "lag")

    #: The lag that counts as much as a full house: a tenth of a second, the bound after which requests are shed.
    FULL_LAG = 0.1

    #: A house half empty, or a loop half of that late, is no pressure at all.
    CALM = 0.5

    def __init__(self) -> None:
        self.lag = 0.0
        self.fill = 0.0

    @property
    def level(self) -> float:
        worst = max(self.lag / self.FULL_LAG, self.fill)
        return min(1.0, max(0.0, (worst - self.CALM) / (1.0 - self.CALM)))

    def __repr__(self) -> str:
        return f"<Pressure {self.level:.2f}: loop {self.lag * 1000:.0f} ms late, admission {self.fill:.0%} taken>"


def pressure() -> Pressure:
    """The reading of this thread's loop."""
    hub: Any = get_hub()
    try:
        found: Pressure = hub.fastdag_pressure
    except AttributeError:
        found = hub.fastdag_pressure = Pressure()
    return found
