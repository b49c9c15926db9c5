"""Findings: the failed checks of a run, each reported once and without API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.support.exchange import key_variants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@frozen
class Finding:
    """A failed check: what was observed, what the check cites, and the exchanges that show it.

    `curl` and `answers` correspond by index; `reproduced` is False if a second run passed.
    """

    test: str
    check: str
    sentence: str
    detail: str
    cites: str
    curl: list[str] = field(factory=list)
    answers: list[str] = field(factory=list)
    reproduced: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        return asdict(self)

    def text(self) -> str:
        """Return the finding for a terminal."""
        lines = [f"[{self.check}] {self.sentence}", f"  observed: {self.detail}"]
        if self.cites:
            lines.append(f"  source: {self.cites}")
        if not self.reproduced:
            lines.append("  not reproduced when the test was repeated")
        for curl, answer in zip(self.curl, self.answers, strict=True):
            body = answer.partition("\n\n")[2]
            lines += [f"  {curl}", f"  -> {answer.partition(chr(10))[0]} {body[:300]}"]
        return "\n".join(lines)


def make_finding(test: str, error: CheckFailed, *, reproduced: bool = True) -> Finding:
    """Return the finding of a failed check."""
    return Finding(
        test,
        error.check.name,
        error.check.sentence,
        error.detail,
        error.cites,
        [one.curl() for one in error.exchanges],
        [one.response_text() for one in error.exchanges],
        reproduced,
    )


def find_failures(error: BaseException) -> list[CheckFailed]:
    """Return the failed checks in an exception, its group and its causes; each check once."""
    found: dict[str, CheckFailed] = {}
    for one in _breaches(error, set()):
        found.setdefault(one.check.name, one)
    return list(found.values())


def _breaches(error: BaseException, seen: set[int]) -> Iterator[CheckFailed]:
    if id(error) in seen:
        return
    seen.add(id(error))
    if isinstance(error, CheckFailed):
        yield error
    inner = (*getattr(error, "exceptions", ()), error.__cause__, error.__context__)
    for one in inner:
        if isinstance(one, BaseException):
            yield from _breaches(one, seen)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every form of the API keys replaced."""
    for secret in secrets:
        for variant in key_variants(secret, ""):
            text = text.replace(variant, "[key]")
    return text
