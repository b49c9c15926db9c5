"""Counters and gauges of a worker, in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

_COUNTERS = {
    "steps": "Steps that ended.",
    "steps_abandoned": "Steps whose end could not be written; they are done again.",
    "submissions_accepted": "Submissions that were accepted.",
    "submissions_not_accepted": "Submissions that were provably not accepted.",
    "submissions_uncertain": "Submissions that may have been accepted.",
    "polls": "Polls of tasks.",
    "jobs_saved": "Jobs whose files were saved.",
    "jobs_lost": "Jobs whose links had expired.",
    "jobs_parked": "Jobs that were parked after three tries.",
    "outcomes_spooled": "Outcomes of submissions that were stored in the spool.",
    "outcomes_replayed": "Outcomes of the spool that were written to the database.",
    "rows_refilled": "Queue rows that the sweeper enqueued again.",
}
_GAUGES = {
    "steps_in_flight": "Steps in flight.",
    "database_up": "Whether the database can be reached.",
    "rate_per_second": "Calls a second that all workers of the key may make together.",
    "outcomes_waiting": "Outcomes of submissions in the spool.",
}
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@define(eq=False)
class Metrics:
    """The metrics of one worker; the names begin with `wanflow_worker_`."""

    _counts: Counter[str] = field(factory=Counter[str])
    _values: dict[str, float] = field(factory=dict[str, float])

    def count(self, name: str, more: int = 1) -> None:
        """Add to a counter."""
        assert name in _COUNTERS
        self._counts[name] += more

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        assert name in _GAUGES
        self._values[name] = value

    def value(self, name: str) -> float:
        """Return a counter or a gauge."""
        return self._values.get(name, 0.0) if name in _GAUGES else self._counts[name]

    def text(self) -> str:
        """Return all of them."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for kind, names in (("counter", _COUNTERS), ("gauge", _GAUGES)):
            for name, text in names.items():
                full = f"wanflow_worker_{name}{'_total' if kind == 'counter' else ''}"
                yield f"# HELP {full} {text}"
                yield f"# TYPE {full} {kind}"
                yield f"{full} {self.value(name):g}"
