"""The report at the end of a run's output: plain printable lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.cli.text import counted
from wanflow_contract.report.digest import baseline_lines, digest, fields, where
from wanflow_contract.report.text import cut, example_of, often, one_line, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.findings.causes import Cause
    from wanflow_contract.report.digest import Digest
    from wanflow_contract.report.result import RunResult

_MOST_CAUSES = 20
_MOST_FIELDS = 12
_CURL = 2000


def render_terminal(result: RunResult) -> str:
    """Return the report as lines of text."""
    found = digest(result)
    return "\n".join(terminal(line) for line in _lines(found))


def _lines(found: Digest) -> Iterator[str]:
    result = found.result
    yield f"contract: {found.verdict}"
    yield f"contract: {found.coverage}"
    for number, cause in enumerate(found.causes[:_MOST_CAUSES], 1):
        yield from _cause(number, cause)
    if len(found.causes) > _MOST_CAUSES:
        yield f"{counted(len(found.causes) - _MOST_CAUSES, 'more cause')}: see the report"
    yield from (one_line(one.sentence(), 2000) for one in found.not_judged)
    yield from (f"note: {_row(one)}" for one in found.notes)
    yield from (one_line(line) for line in baseline_lines(result))
    yield from (
        f"error in the suite, not a finding: {one_line(one.test)}: {one_line(one.text[-400:])}"
        for one in result.errors[:_MOST_CAUSES]
    )
    yield from _untested(found)
    yield f"contract: {found.cost}"


def _untested(found: Digest) -> Iterator[str]:
    lacking = [one for one in found.fields if one.untested]
    counters = found.result.counters
    if not lacking or counters.paid or not counters.requests:
        return  # on a server that charges, the planner names the rules
    shown = [f"{one.name} {one.both}/{one.rules}" for one in lacking[:_MOST_FIELDS]]
    rest = len(lacking) - len(shown)
    more = f", and {counted(rest, 'more field')}" if rest else ""
    yield f"not tested on both sides: {', '.join(shown)}{more}"


def _row(cause: Cause) -> str:
    main = cause.main
    place = " ".join(one for one in (where(cause), fields(cause)) if one)
    return one_line(f"[{main.check}] {place}: {main.sentence} Seen {often(cause.count)}.", 600)


def _cause(number: int, cause: Cause) -> Iterator[str]:
    main = cause.main
    yield f"{number}. {_row(cause)}"
    yield f"   observed: {one_line(main.detail)}"
    if main.cites:
        yield f"   source: {one_line(main.cites, 400)}"
    for shown in main.exchanges[-1:]:
        example = example_of(shown)
        yield f"   {cut(example.curl, _CURL)}"
        body = example.response.partition("\n\n")[2]
        yield f"   -> {shown.status or 'no response'} {one_line(body, 300)}"
    more = len(cause.findings) - 1
    yield f"   finding {main.id}{f', and {more} more of this cause' if more else ''}"
