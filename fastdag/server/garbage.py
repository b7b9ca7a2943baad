"""The garbage collector of a worker: it looks at less, less often."""

from __future__ import annotations

import gc

__all__ = ["spare_collector"]

_FOUND = gc.get_threshold()  # before any program had a say
_SPARING = (20_000, 20, 20)


def spare_collector() -> None:
    """Call it once, when the program is loaded.

    The collector takes a tenth of the time of a service that decodes and encodes JSON: a request makes and drops some
    thousand containers, none of them in a circle, and after every 700 to 2,000 it looks for circles. What was made
    while the program was loaded stays for good and need not be looked at again. Whoever has set the collector up
    himself, or switched it off, has it as he wanted it.
    """
    if gc.isenabled() and gc.get_threshold() == _FOUND:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_SPARING)
