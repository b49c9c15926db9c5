"""The report as one self-contained page: verdict, causes, what wasn't judged, coverage, cost."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING

from wanflow.cli.text import counted
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.report.digest import (
    baseline_lines,
    digest,
    fields,
    forecast_lines,
    reasons_of,
    where,
)
from wanflow_contract.report.style import STYLE
from wanflow_contract.report.text import block, example_of, often, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wanflow_contract.findings.causes import Cause
    from wanflow_contract.findings.finding import Finding, ShownExchange
    from wanflow_contract.report.counters import Counters
    from wanflow_contract.report.digest import Digest
    from wanflow_contract.report.result import RunResult

_SCREEN_OF_CURL = 600
_MOST_MEMBERS = 200
_LONG = 2000


def render(result: RunResult) -> str:
    """Return the page."""
    found = digest(result)
    parts = [
        *_head(found),
        *_causes("Causes", "cause", found.causes),
        *_lines("Not judged", (one.sentence() for one in found.not_judged)),
        *_coverage(found),
        *_causes("Notes", "note", found.notes),
        *_causes("Known deviations", "known", found.known),
        *_lines("Baseline", baseline_lines(result)),
        *_errors(result),
        *_cost(found),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Contract report</title><style>{STYLE}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _text(text: str, most: int = _LONG) -> str:
    return escape(one_line(text, most))


def _head(found: Digest) -> Iterator[str]:
    result = found.result
    yield f'<h1 class="{"good" if found.passed else "bad"}">{_text(found.verdict)}</h1>'
    about = f"{result.time}; wanflow {result.suite}; {result.document}"
    yield f'<p class="quiet">{_text(about)}</p>'
    counts = ", ".join(f"{number} {name}" for name, number in sorted(result.outcomes().items()))
    yield f"<p>{_text(found.coverage)}. Tests: {_text(counts or 'none')}.</p>"
    if not result.counters.has_mock_controls:
        yield (
            "<p>The server has no test controls, so server errors, rate limits and failed tasks "
            "were tested only if they happened by themselves.</p>"
        )


def _causes(title: str, prefix: str, causes: Sequence[Cause]) -> Iterator[str]:
    if not causes:
        return
    yield f"<section><h2>{title} ({len(causes)})</h2>"
    head = ("", "check", "operation", "field", "sentence of the document", "seen")
    rows = [
        (
            f'<a href="#{prefix}-{number}">{number}</a>',
            _text(cause.main.check),
            _text(where(cause), 300),
            _text(fields(cause), 300),
            _text(cause.main.cites or cause.main.sentence, 300),
            str(cause.count),
        )
        for number, cause in enumerate(causes, 1)
    ]
    yield _table(head, rows)
    for number, cause in enumerate(causes, 1):
        yield from _cause(f"{prefix}-{number}", number, cause)
    yield "</section>"


def _cause(anchor: str, number: int, cause: Cause) -> Iterator[str]:
    main = cause.main
    title = f"{number}. {_text(main.sentence)} <small>({_text(main.check)})</small>"
    yield f'<article id="{anchor}"><h3>{title}</h3>'
    if main.cites:
        yield f"<blockquote>{_text(main.cites)}</blockquote>"
    flaky = "" if main.reproduced else " It was not reproduced when the test was repeated."
    yield f"<p>Observed: {_text(main.detail)}.{flaky}</p>"
    for shown in main.exchanges[-1:]:
        yield from _example(shown)
    if main.exchanges[1:]:
        yield "<details><summary>The requests before</summary>"
        for shown in main.exchanges[:-1]:
            yield from _example(shown)
        yield "</details>"
    yield from _members(cause)
    yield "</article>"


def _example(shown: ShownExchange) -> Iterator[str]:
    one = example_of(shown)
    if len(one.curl) <= _SCREEN_OF_CURL:
        yield f'<pre class="curl">{escape(one.curl)}</pre>'
    else:
        yield f'<details><summary>The command</summary><pre class="curl">{escape(one.curl)}</pre>'
        yield "</details>"
    yield f"<details><summary>The request</summary><pre>{escape(one.request)}</pre></details>"
    yield f"<pre>{escape(one.response)}</pre>"


def _members(cause: Cause) -> Iterator[str]:
    """Yield the findings of a cause, each with its id, place and tests."""
    number = len(cause.findings)
    title = f"{counted(number, 'finding')}, seen {often(cause.count)}"
    yield f"<details><summary>{title}</summary>"
    yield _table(
        ("finding", "operation", "field", "what", "seen", "first in"),
        [_member(one) for one in cause.findings[:_MOST_MEMBERS]],
    )
    if number > _MOST_MEMBERS:
        yield f"<p>Not shown here: {number - _MOST_MEMBERS}; see report.json.</p>"
    yield "</details>"


def _member(one: Finding) -> tuple[str, ...]:
    first = _text(one.tests[0], 160) if one.tests else ""
    places = (_text(part, 200) for part in (one.id, one.operation, one.pointer, one.shape))
    return (*places, str(one.count), first)


def _coverage(found: Digest) -> Iterator[str]:
    yield "<section><h2>Coverage</h2>"
    rows = [
        (_text(one.name), f"{one.both} of {one.rules}", _text(", ".join(one.untested)) or "-")
        for one in found.fields
    ]
    if rows:
        yield "<h3>By field</h3>"
        yield _table(("model and field", "tested", "not tested"), rows)
    yield from _responses(found.result.counters)
    yield from _keywords(found.result.counters)
    yield from _boundaries(found.result.counters)
    yield from _counted("Final states of tasks", "model and status", found.result.counters.endings)
    skipped = (f"{number}: {one}" for one, number in reasons_of(found.result).items())
    yield from _lines("Not tested", skipped)
    yield "</section>"


def _responses(counters: Counters) -> Iterator[str]:
    yield "<details><summary>Documented responses</summary>"
    rows = [
        (_text(operation), str(status), str(number or "never"))
        for operation, status, number in counters.responses()
    ]
    yield _table(("operation", "status", "received"), rows)
    yield "</details>"


def _keywords(counters: Counters) -> Iterator[str]:
    yield "<details><summary>Request keywords</summary>"
    rows = [
        (_text(name), _text(keyword), str(valid or "never"), str(invalid or "never"))
        for name, keyword, valid, invalid in counters.tried()
    ]
    yield _table(("model and field", "keyword", "valid", "invalid"), rows)
    yield "</details>"


def _boundaries(counters: Counters) -> Iterator[str]:
    rows = defaultdict[str, dict[str, int]](dict)
    for name, number in counters.boundaries.items():
        field, _, word = name.rpartition(": ")
        rows[field][word] = number
    words = tuple(one.value for one in Expected)
    yield "<details><summary>Boundaries</summary>"
    cells = [
        (_text(field), *(str(rows[field].get(word, 0)) for word in words)) for field in sorted(rows)
    ]
    yield _table(("model and field", *words), cells)
    yield "</details>"


def _counted(title: str, head: str, counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        rows = [(_text(name), str(number)) for name, number in sorted(counts.items())]
        yield f"<details><summary>{title}</summary>{_table((head, 'number'), rows)}</details>"


def _errors(result: RunResult) -> Iterator[str]:
    if not result.errors:
        return
    yield f"<section><h2>Errors in the suite ({len(result.errors)})</h2>"
    yield "<p>Something went wrong in the suite itself. This says nothing about the server.</p>"
    for one in result.errors[:_MOST_MEMBERS]:
        yield f"<details><summary>{_text(one.test, 200)}</summary>"
        yield f"<pre>{escape(block(one.text[-_LONG:], _LONG))}</pre></details>"
    yield "</section>"


def _cost(found: Digest) -> Iterator[str]:
    yield f"<section><h2>Cost</h2><p>{_text(found.cost)}.</p>"
    yield from (f"<p>{_text(one)}</p>" for one in forecast_lines(found.result))
    yield "</section>"


def _lines(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = [f"<li>{_text(one)}</li>" for one in lines]
    if shown:
        yield f"<section><h2>{title}</h2><ul>{''.join(shown)}</ul></section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose cells are HTML; narrow screens show each row as a list."""
    titles = "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-title="{escape(title)}">{cell}</td>'
            for title, cell in zip(head, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
