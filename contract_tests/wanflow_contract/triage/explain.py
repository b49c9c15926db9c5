"""Explain a check: its sentence, its source, why it matters and what a correct server does."""

from __future__ import annotations

import difflib
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

import wanflow_contract
from wanflow_contract.checks.check import REGISTRY
from wanflow_contract.findings.finding import printable, shown_body
from wanflow_contract.report.text import often
from wanflow_contract.triage.report_file import ReportUnusable, find_finding, load_report

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow_contract.checks.check import Check
    from wanflow_contract.findings.finding import Finding


class UnknownName(Exception):
    """There is no check of a name, and no finding; the message names similar ones."""


def load_checks() -> dict[str, Check]:
    """Import every module of the suite, and return all checks by name."""
    for module in pkgutil.walk_packages(wanflow_contract.__path__, "wanflow_contract."):
        if ".command" not in module.name and not module.name.endswith("conftest"):
            import_module(module.name)
    return REGISTRY


def explain_name(name: str, report: Path, *, required: bool = False) -> str:
    """Return the explanation of a check, or of a finding of a report.

    A finding's id begins with the name of its check, so that its check is explained without a
    report, too, unless one is required.

    Raises:
        UnknownName: there is no such check or finding.
        ReportUnusable: a required report can't be read, or doesn't have the finding.
    """
    checks = load_checks()
    if required:
        result = load_report(report)
        if name not in checks:
            find_finding(result, name)
    if name in checks:
        return explain_check(checks[name])
    finding = _finding(name, report)
    owner = finding.check if finding else name.rpartition("-")[0]
    if owner not in checks:
        close = difflib.get_close_matches(name, checks, 3, 0.5)
        listing = "wanflow contract explain lists all"
        hint = f"did you mean {' or '.join(close)}?" if close else listing
        raise UnknownName(f"no check or finding has the id {name!r}; {hint}")
    explained = explain_check(checks[owner])
    return f"{explained}\n\n{explain_finding(finding)}" if finding else explained


def list_checks() -> str:
    """Return all checks with their sentences as text."""
    checks = load_checks().values()
    rows = sorted((one.name, "a note: " * one.note + one.sentence) for one in checks)
    return "\n".join(f"{name:20} {sentence}" for name, sentence in rows)


def _finding(name: str, report: Path) -> Finding | None:
    try:
        return find_finding(load_report(report), name)
    except ReportUnusable:
        return None


def explain_check(check: Check) -> str:
    """Return the explanation of a check as text."""
    kind = " (a note: it rests on no sentence of the documents)" if check.note else ""
    rows = (
        ("source", check.cites),
        ("why it matters", check.why),
        ("a correct server", check.correct),
    )
    lines = [f"{check.name}{kind}", f"  {check.sentence}"]
    return "\n".join(lines + [f"  {title}: {text}" for title, text in rows if text])


def explain_finding(finding: Finding) -> str:
    """Return what is special to a finding as text."""
    where = f" at {finding.pointer}" if finding.pointer else ""
    lines = [
        f"{finding.id}, found {often(finding.count)}",
        f"  operation: {finding.operation}{where}",
        f"  observed: {printable(finding.detail)}",
    ]
    if finding.cites:
        lines.append(f"  source for this case: {finding.cites}")
    for one in finding.exchanges:
        lines += [f"  {one.curl}", f"  -> {one.status} {shown_body(one)[:300]}"]
    return "\n".join(lines)
