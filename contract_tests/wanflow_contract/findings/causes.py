"""Group findings that one fault explains, so that a report names each fault once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow_contract.findings.finding import Finding


@frozen
class Cause:
    """One fault, as far as the findings show: its findings, the clearest first."""

    findings: list[Finding]


def causes_of(findings: Iterable[Finding]) -> list[Cause]:
    """Return the causes of findings."""
    return [Cause([one]) for one in findings]
