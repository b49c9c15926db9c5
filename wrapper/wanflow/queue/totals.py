"""What the jobs of a batch in a queue cost together, or may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.batch.total import Total
from wanflow.ledger.job import JobState
from wanflow.queue.ceiling import HIGHEST_PRICE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COUNTS = f"job.state NOT IN ('{JobState.PLANNED}', '{JobState.INTENT}', '{JobState.REJECTED}')"
_PRICE = f"coalesce(job.credits, {HIGHEST_PRICE})"
TOTAL_COLUMNS = f"""
    sum(job.sends * {_PRICE}) FILTER (WHERE {_COUNTS}) AS credits,
    sum(job.sends) FILTER (WHERE {_COUNTS} AND {_PRICE} IS NULL) AS unpriced,
    max(job.price) AS highest,
    bool_or(job.sends > 1 OR job.name IS NULL OR job.state
        IN ('{JobState.UNCERTAIN}', '{JobState.DISCARDED}')) FILTER (WHERE {_COUNTS}) AS perhaps
"""
"""The columns from which `total_of` computes a total, in SQL; a second task of a job has no name.

Each submission that may have been accepted counts: with the credits that the API reported, else
with the highest price of its settings, else with that of the batch.
"""


def total_of(rows: Sequence[Mapping[str, Any]]) -> Total:
    """Return what all jobs of a batch cost; each of the rows is about some of them."""
    known = sum(float(row["credits"] or 0) for row in rows)
    unpriced = sum(int(row["unpriced"] or 0) for row in rows)
    highest = max((row["highest"] or 0.0 for row in rows), default=0.0)
    return Total.of(known + unpriced * highest, perhaps=any(row["perhaps"] for row in rows))
