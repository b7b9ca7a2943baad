"""What the end of an attempt says: the one place that knows what counts as a failure, and what another may mend.

Failures are: refused, reset, timed out, no HTTP, and any 5xx. An answer below 500 says that the host works. Nothing
at all follows from what never left the process, from a call that somebody cancelled, and from a time-out of a call
that was given less than half of its usual time (envoy#25487).
"""

from __future__ import annotations

from fastdag.concurrency import Timeout
from fastdag.errors import UpstreamConnectError, UpstreamProtocolError, UpstreamTimeout
from fastdag.upstream.call import Call, Response

__all__ = ["failed", "good", "worth_another"]


def failed(call: Call, error: BaseException, now: float) -> bool:
    """Whether the error that ended an attempt is a failure of the host."""
    if isinstance(error, (UpstreamConnectError, UpstreamProtocolError)):
        return True
    if isinstance(error, (UpstreamTimeout, Timeout)):
        return not call.early
    if isinstance(error, Exception):
        return False
    # Killed. At its deadline, that is the run's or the node's way to say that the time is up.
    return call.deadline is not None and now >= call.deadline and not call.early


def good(end: Response | BaseException) -> bool:
    """Whether an attempt brought an answer, and not the upstream's own failure."""
    return isinstance(end, Response) and end.status_code < 500


def worth_another(end: Response | BaseException) -> bool:
    """Whether another host, or another connection, may do better: the upstream is passing trouble, or said nothing.

    Not where the transport knows better (`hopeless`): TLS that refused would refuse again.
    """
    if isinstance(end, Response):
        return 502 <= end.status_code <= 504
    return isinstance(end, UpstreamConnectError) and not end.received and not end.hopeless
