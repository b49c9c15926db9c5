"""What a check has to say: where, what is wrong, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.spec.failures import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen(order=True)
class Finding:
    """One broken rule: the file, the JSON pointer, the problem, its remedy, and the rule's id."""

    file: str
    pointer: str
    problem: str
    remedy: str
    line: int | None = field(default=None, eq=False)
    id: str = field(default="WF502", eq=False)

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line} #{self.pointer}: {self.problem}; {self.remedy}"


def require_none(findings: Iterable[Finding]) -> None:
    """Go on only when there is nothing to say.

    Raises:
        Findings: lists each finding once, one a line.
    """
    listed = sorted(set(findings))
    if listed:
        count = "1 finding" if len(listed) == 1 else f"{len(listed)} findings"
        raise Findings("\n".join([f"{count}:", *(f"  {finding}" for finding in listed)]), listed)
