"""The report as Markdown, for the summary of a GitHub job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.cli.text import counted
from wanflow_contract.report.digest import (
    baseline_lines,
    digest,
    fields,
    forecast_lines,
    reasons_of,
    where,
)
from wanflow_contract.report.text import cut, example_of, fenced, markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow_contract.findings.causes import Cause
    from wanflow_contract.report.digest import Digest
    from wanflow_contract.report.result import RunResult

_MOST_BYTES = 1_000_000
"""GitHub takes 1 MiB for a step."""
_MOST_CAUSES = 50
_CURL = 6000


def render_markdown(result: RunResult) -> str:
    """Return the report as Markdown."""
    text = "\n".join(_lines(digest(result))) + "\n"
    if len(text.encode()) <= _MOST_BYTES:
        return text
    return "\n".join(_lines(digest(result), most=5)) + "\n"


def _lines(found: Digest, most: int = _MOST_CAUSES) -> Iterator[str]:
    result = found.result
    yield f"## {'✅' if found.passed else '❌'} {markdown(found.verdict)}\n"
    yield f"{markdown(found.coverage)}.\n"
    yield from _causes("Causes", found.causes, most)
    yield from _list("Not judged", (one.sentence() for one in found.not_judged))
    yield from _coverage(found)
    yield from _list(
        "Not tested", (f"{number}: {one}" for one, number in reasons_of(result).items())
    )
    yield from _causes("Notes", found.notes, most)
    yield from _causes("Known deviations", found.known, most)
    yield from _list("Baseline", baseline_lines(result))
    errors = (f"{one.test}: {cut(one.text[-600:], 600)}" for one in result.errors[:most])
    yield from _list("Errors in the suite, which say nothing about the server", errors)
    yield from _list("Cost", [found.cost, *forecast_lines(result)])


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = [f"- {markdown(one)}" for one in lines]
    if shown:
        yield "\n".join([f"### {title}\n", *shown, ""])


def _coverage(found: Digest) -> Iterator[str]:
    lacking = [one for one in found.fields if one.untested]
    if lacking:
        yield f"<details><summary>{counted(len(lacking), 'field')} with untested rules</summary>\n"
        yield "| field | tested | not tested |\n|---|---|---|"
        for one in lacking:
            cells = (one.name, f"{one.both} of {one.rules}", ", ".join(one.untested))
            yield f"| {' | '.join(map(markdown, cells))} |"
        yield "\n</details>\n"


def _causes(title: str, causes: list[Cause], most: int) -> Iterator[str]:
    if not causes:
        return
    yield f"### {title}\n\n| | check | operation | field | sentence | seen |"
    yield "|---|---|---|---|---|---|"
    for number, cause in enumerate(causes[:most], 1):
        said = cause.main.cites or cause.main.sentence
        cells = (cause.main.check, where(cause), fields(cause), said, str(cause.count))
        yield f"| {number} | {' | '.join(map(markdown, cells))} |"
    if len(causes) > most:
        yield f"\n{len(causes) - most} more: see the report."
    yield ""
    for number, cause in enumerate(causes[:most], 1):
        yield from _example(number, cause)


def _example(number: int, cause: Cause) -> Iterator[str]:
    main = cause.main
    title = f"{number}. {markdown(main.sentence)}"
    yield f"<details><summary>{title}</summary>\n\nObserved: {markdown(main.detail)}\n"
    for shown in main.exchanges[-1:]:
        example = example_of(shown)
        yield fenced(cut(example.curl, _CURL), "sh")
        yield fenced(example.request) + "\n" + fenced(example.response)
    yield f"\nFinding {', '.join(markdown(one.id) for one in cause.findings[:20])}\n\n</details>\n"
