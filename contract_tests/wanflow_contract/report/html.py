"""The report as one self-contained page: the summary, the findings, and the coverage."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

import wanflow
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.findings.finding import printable, shown_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wanflow_contract.findings.finding import Finding, ShownExchange
    from wanflow_contract.report.counters import Counters
    from wanflow_contract.report.result import RunResult

# The numbers that differ between messages about the budget.
_COST = re.compile(r"[0-9.e+]+ credits(?=; )|[0-9.]+(?= of [0-9.e+]+ are spent)")
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, p, li, blockquote { overflow-wrap: anywhere; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .2rem .7rem; text-align: left; }
td, th { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
pre { overflow-x: auto; padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere;
  background: color-mix(in srgb, currentColor 8%, transparent); }
.good { color: #187a2f; } .bad { color: #c02020; } .none { opacity: .55; }
@media (prefers-color-scheme: dark) { .good { color: #6fd48a; } .bad { color: #ff8a80; } }
"""


def render(result: RunResult) -> str:
    """Return the page."""
    counters, findings = result.counters, result.findings
    outcomes, skipped = result.outcomes(), result.skipped()
    parts = [
        *_summary(counters, findings, outcomes),
        *_findings(findings),
        *_responses(counters),
        *_keywords(counters),
        *_boundaries(counters),
        *_table("Final states of tasks", "model and status", counters.endings),
        *_skipped(skipped),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Contract report</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _summary(
    counters: Counters, findings: Sequence[Finding], outcomes: Mapping[str, int]
) -> Iterator[str]:
    checks = len({one.check for one in findings})
    good = not findings and not outcomes.get("failed")
    far = "" if counters.has_mock_controls else ", as far as it was tested"
    word = (
        f"passes the contract tests{far}"
        if good
        else f"fails {checks} check{'s' * (checks > 1)}"
        if checks
        else "was not tested"
    )
    yield f'<h1 class="{"good" if good else "bad"}">{escape(counters.base_url)} {word}</h1>'
    yield f"<p>{escape(_dated())}</p>"
    counts = ", ".join(f"{number} {name}" for name, number in sorted(outcomes.items()))
    yield f"<p>Tests: {counts}. {escape(counters.summary())}.</p>"
    if not counters.has_mock_controls:
        yield (
            "<p>The server has no test controls, so server errors, rate limits and failed tasks "
            "were tested only if they happened by themselves.</p>"
        )


def _dated() -> str:
    """Return the time of the run, and the versions of the suite and the spec."""
    info = packaged_contract().catalog.document["info"]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}; wanflow {wanflow.__version__}; {info['title']}, version {info['version']}."


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    by_check = defaultdict[str, list["Finding"]](list)
    for one in findings:
        by_check[one.check].append(one)
    for check, found in by_check.items():
        yield f"<h2>{escape(found[0].sentence)} <small>({escape(check)})</small></h2>"
        if found[0].cites:
            yield f"<blockquote>{escape(found[0].cites)}</blockquote>"
        for one in found:
            yield from _finding(one)


def _finding(one: Finding) -> Iterator[str]:
    flaky = "" if one.reproduced else " It was not reproduced when the test was repeated."
    seen = f"{one.count} times, first in {one.tests[0]}" if one.tests else f"{one.count} times"
    yield f"<h3>{escape(one.id)}</h3>"
    yield f"<p>Observed {escape(seen)}: {escape(printable(one.detail))}.{flaky}</p>"
    for shown in one.exchanges:
        yield f"<pre>{escape(shown.curl)}</pre><pre>{escape(_response(shown))}</pre>"


def _response(shown: ShownExchange) -> str:
    head = [str(shown.status), *(f"{name}: {value}" for name, value in shown.headers), ""]
    return "\n".join([*head, shown_body(shown)[:1500]])


def _responses(counters: Counters) -> Iterator[str]:
    yield "<h2>Documented responses</h2><table><tr><th>operation<th>status<th>received</tr>"
    for operation, status, number in counters.responses():
        kind = "" if number else ' class="none"'
        yield f"<tr{kind}><td>{escape(operation)}<td>{status}<td>{number or 'never'}</tr>"
    yield "</table>"


def _keywords(counters: Counters) -> Iterator[str]:
    yield "<h2>Request keywords</h2><table><tr><th>model and field<th>keyword"
    yield "<th>valid<th>invalid</tr>"
    for field, keyword, kept, broken in counters.tried():
        kind = "" if kept and broken else ' class="none"'
        cells = (escape(field), escape(keyword), kept or "never", broken or "never")
        yield f"<tr{kind}>" + "".join(f"<td>{one}" for one in cells) + "</tr>"
    yield "</table>"


def _boundaries(counters: Counters) -> Iterator[str]:
    rows = defaultdict[str, dict[str, int]](dict)
    for name, number in counters.boundaries.items():
        field, _, word = name.rpartition(": ")
        rows[field][word] = number
    words = tuple(one.value for one in Expected)
    yield "<h2>Boundaries</h2><table><tr><th>model and field"
    yield "".join(f"<th>{word}" for word in words) + "</tr>"
    for field in sorted(rows):
        cells = "".join(f"<td>{rows[field].get(word, 0)}" for word in words)
        yield f"<tr><td>{escape(field)}{cells}</tr>"
    yield "</table>"


def _table(title: str, head: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield f"<h2>{title}</h2><table><tr><th>{head}<th>number</tr>"
    for name in sorted(counts):
        yield f"<tr><td>{escape(name)}<td>{counts[name]}</tr>"
    yield "</table>"


def _skipped(skipped: Mapping[str, int]) -> Iterator[str]:
    reasons = Counter[str]()
    for reason, number in skipped.items():
        reasons[_COST.sub("…", reason)] += number
    if reasons:
        yield "<h2>Not tested</h2><ul>"
        for reason, number in sorted(reasons.items()):
            yield f"<li>{number}: {escape(reason)}</li>"
        yield "</ul>"
