"""What a run brought: a tuple of two, and everything else that is known about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastdag.ledger import SKIPPED, WITH_DATA, Ledger
from fastdag.outcome import Outcome

__all__ = ["Outcomes", "Result", "Span", "node_data"]


class Span(NamedTuple):
    """One node on the timeline; seconds after the run's start."""

    id: str
    state: str
    started: float
    ended: float


class Outcomes(Mapping[str, Outcome]):
    """Id to `Outcome`, in the order of declaration; made when they are read."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getitem__(self, id: str) -> Outcome:
        return self._ledger.outcome(self._ledger.plan.index[id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._ledger.plan.ids)

    def __len__(self) -> int:
        return len(self._ledger.plan.ids)

    def __repr__(self) -> str:
        return repr(dict(self))


class Result(tuple[dict[str, Any], Any]):
    """`(node_data, merged)`: the data of every node that has some, by id, and the merged view of the outputs.

    `outcomes` maps every id to its `Outcome`; `complete` is false when a node failed, fell back, or was skipped
    because of another's failure; `timeline` lists the nodes that ran, by start.
    """

    _ledger: Ledger

    @staticmethod
    def of(ledger: Ledger, data: dict[str, Any], merged: Any) -> Result:
        """What a run brought. Not `__new__`, which would be called in a roundabout way."""
        result = Result((data, merged))
        result._ledger = ledger
        return result

    @property
    def node_data(self) -> dict[str, Any]:
        return self[0]

    @property
    def merged(self) -> Any:
        return self[1]

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        return Outcomes(self._ledger)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing: a skip by `when=` takes nothing away, a dropped element does."""
        ledger = self._ledger
        return all(ledger.state[i] == SKIPPED and reason is None for i, (reason, _) in ledger.trouble.items())

    @property
    def timeline(self) -> list[Span]:
        ledger = self._ledger
        spans = [
            Span(id, ledger.outcome(i).state, began - ledger.start, ledger.ended[i] - ledger.start)
            for i, (id, began) in enumerate(zip(ledger.plan.ids, ledger.began, strict=True))
            if began is not None
        ]
        return sorted(spans, key=lambda span: span.started)

    def __reduce__(self) -> Any:
        return (tuple, (tuple(self),))


def node_data(ledger: Ledger) -> dict[str, Any]:
    """The data of the nodes that have some, in the order of declaration."""
    ids, values, state = ledger.plan.ids, ledger.values, ledger.state
    if state == ledger.plan.blank.all_ok:
        return dict(zip(ids, values))  # noqa: B905 - as long as each other by construction
    return {ids[i]: values[i] for i in range(len(ids)) if state[i] in WITH_DATA}
