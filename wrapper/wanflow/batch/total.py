"""What the jobs of a batch cost together, and how that is said."""

from __future__ import annotations

from typing import Self

from attrs import frozen


@frozen
class Total:
    """The credits of a batch; `at_most` is whether some of them were perhaps not charged."""

    credits: float
    at_most: bool = False

    @classmethod
    def of(cls, credits: float, *, perhaps: bool) -> Self:  # noqa: A002 - the API's word
        """Return a total; `perhaps` is whether it counts submissions that may not be accepted."""
        return cls(round(credits, 2), credits > 0 and perhaps)

    def describe(self, limit: float | None = None) -> str:
        """Return the total in words, beside its limit."""
        most = "at most " if self.at_most else ""
        bound = "" if limit is None else f" of {limit:g}"
        return f"{most}{self.credits:g}{bound} credits"


NOTHING = Total(0.0)
