"""Findings: what a test's failure says of the server, told once and without keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from wanflow_contract.checks.check import LawBroken
from wanflow_contract.support.exchange import guises

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@frozen
class Finding:
    """A breach of a law: what was seen, what it rests on, and the exchanges that show it.

    `curl` and `answers` go together; `again` tells whether it was there at a second try.
    """

    test: str
    law: str
    sentence: str
    detail: str
    rests_on: str
    curl: list[str] = field(factory=list)
    answers: list[str] = field(factory=list)
    again: bool = True

    def plain(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        return asdict(self)

    def text(self) -> str:
        """Return the finding for a terminal."""
        lines = [f"[{self.law}] {self.sentence}", f"  seen: {self.detail}"]
        if self.rests_on:
            lines.append(f"  rests on: {self.rests_on}")
        if not self.again:
            lines.append("  not seen again when the test was repeated at once")
        for curl, answer in zip(self.curl, self.answers, strict=True):
            body = answer.partition("\n\n")[2]
            lines += [f"  {curl}", f"  -> {answer.partition(chr(10))[0]} {body[:300]}"]
        return "\n".join(lines)


def finding_of(test: str, error: LawBroken, *, again: bool = True) -> Finding:
    """Tell what a breach is."""
    return Finding(
        test,
        error.law.name,
        error.law.sentence,
        error.detail,
        error.rests_on,
        [one.curl() for one in error.exchanges],
        [one.answer() for one in error.exchanges],
        again,
    )


def breaches(error: BaseException) -> list[LawBroken]:
    """Return the breaches in an exception, each law once: those in groups and causes, too."""
    found: dict[str, LawBroken] = {}
    for one in _breaches(error, set()):
        found.setdefault(one.law.name, one)
    return list(found.values())


def _breaches(error: BaseException, seen: set[int]) -> Iterator[LawBroken]:
    if id(error) in seen:
        return
    seen.add(id(error))
    if isinstance(error, LawBroken):
        yield error
    inner = (*getattr(error, "exceptions", ()), error.__cause__, error.__context__)
    for one in inner:
        if isinstance(one, BaseException):
            yield from _breaches(one, seen)


def blotted(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the keys in it, in whatever form."""
    for secret in secrets:
        for guise in guises(secret, ""):
            text = text.replace(guise, "[key]")
    return text
