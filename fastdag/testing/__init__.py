"""What tests of services written with fastdag need: fake upstreams, overrides, time, and assertions about runs.

    from fastdag.testing import FakeUpstream, failure_matrix, override

The fixtures that pytest finds by itself are in `pytest_fastdag`.
"""

from fastdag.testing.answers import Answer, answer, bad_json, cut, drip, hang, reset, status
from fastdag.testing.calls import Received, must_follow, must_overlap, must_stay_within
from fastdag.testing.clock import VirtualClock
from fastdag.testing.fake import FakeUpstream, Route
from fastdag.testing.leaks import no_leaks
from fastdag.testing.matrix import FAULTS, failure_matrix
from fastdag.testing.override import override
from fastdag.testing.runs import may_run, must_not_run, must_run
from fastdag.testing.snapshot import check_snapshot
from fastdag.testing.stacking import override_upstream
from fastdag.testing.table import Matrix, Row
from fastdag.testing.wsgi import Answered, Asked, ask

__all__ = [
    "FAULTS",
    "Answer",
    "Answered",
    "Asked",
    "FakeUpstream",
    "Matrix",
    "Received",
    "Route",
    "Row",
    "VirtualClock",
    "answer",
    "ask",
    "bad_json",
    "check_snapshot",
    "cut",
    "drip",
    "failure_matrix",
    "hang",
    "may_run",
    "must_follow",
    "must_not_run",
    "must_overlap",
    "must_run",
    "must_stay_within",
    "no_leaks",
    "override",
    "override_upstream",
    "reset",
    "status",
]
