"""A law: a sentence that every right server keeps, and where the documents say so."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NoReturn

from attrs import field, frozen

if TYPE_CHECKING:
    from wanflow_contract.support.exchange import Exchange

KNOWN: dict[str, Law] = {}
"""Every law that a module has laid down, by name."""
NOTED: deque[LawBroken] = deque(maxlen=1)
"""The latest breach, for where whatever repeats a test can't make it happen again."""


@frozen
class Law:
    """A law by its short name; `rests_on` is the sentence of the documents that it rests on."""

    name: str
    sentence: str
    rests_on: str = field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        """Enter the law among the known ones.

        Raises:
            ValueError: another law has the name.
        """
        if self.name in KNOWN:
            raise ValueError(f"two laws are called {self.name}")
        KNOWN[self.name] = self

    def broken(self, detail: str, *exchanges: Exchange, rests_on: str = "") -> NoReturn:
        """Report a breach.

        Args:
            detail: what was seen, as against what should have been.
            exchanges: the requests that show it, in their order.
            rests_on: the sentence of the documents for this very case.

        Raises:
            LawBroken: always.
        """
        breach = LawBroken(self, detail, exchanges, rests_on or self.rests_on)
        NOTED.append(breach)
        raise breach

    def holds(self, kept: object, detail: str, *exchanges: Exchange, rests_on: str = "") -> None:
        """Report a breach unless the law is kept.

        Raises:
            LawBroken: it isn't.
        """
        if not kept:
            self.broken(detail, *exchanges, rests_on=rests_on)


class LawBroken(AssertionError):
    """A server broke a law; the message reads as a finding, the exchanges reproduce it."""

    def __init__(
        self, law: Law, detail: str, exchanges: tuple[Exchange, ...], rests_on: str
    ) -> None:
        super().__init__(law, detail, exchanges, rests_on)
        self.law = law
        self.detail = detail
        self.exchanges = exchanges
        self.rests_on = rests_on

    def __str__(self) -> str:
        lines = [f"[{self.law.name}] {self.law.sentence}", f"  seen: {self.detail}"]
        if self.rests_on:
            lines.append(f"  rests on: {self.rests_on}")
        lines += [f"  {line}" for one in self.exchanges for line in one.told().splitlines()]
        return "\n".join(lines)
