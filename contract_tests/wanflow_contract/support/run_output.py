"""What a run leaves at its end: the files of the report, emitted tests, the updated baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow.cli.text import counted
from wanflow_contract.findings.baseline import BaselineUnusable
from wanflow_contract.findings.baseline_file import write_baseline
from wanflow_contract.findings.finding import KNOWN, NEW, redacted
from wanflow_contract.report.formats import parse_formats, write_reports
from wanflow_contract.report.publish import lines_of, write_step_summary
from wanflow_contract.triage.emit_tests import emit_tests
from wanflow_contract.triage.not_emitted import reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow_contract.findings.baseline import Baseline
    from wanflow_contract.findings.recorder import Recorder
    from wanflow_contract.report.result import RanTest, RunResult

LISTING = "would-be-sent.txt"


def finish_baseline(
    known: Baseline, recorder: Recorder, tests: Sequence[RanTest]
) -> tuple[dict[str, Any], str]:
    """Update the file of a baseline, and return what became of it, or why it can't be written."""
    findings = recorder.of_kind(NEW, KNOWN)
    gone = [] if recorder.only else known.absent(findings, tests)
    outcome = known.outcome(findings, gone)
    if known.accepts is not None:
        try:
            write_baseline(known.path, known.updated(findings, gone))
        except BaselineUnusable as error:
            return {}, f"ERROR: {error}"
    return outcome, ""


def write_emitted_tests(result: RunResult, folder: str) -> list[str]:
    """Write the findings as standalone tests, and return what the output says of it.

    Raises:
        OSError: a file can't be written.
    """
    written, without = emit_tests(result, Path(folder))
    said = [f"findings as tests: {counted(len(written), 'file')} in {folder}"]
    if without:
        said += [f"  not written: {one.id}: {reason(one.check)}" for one in without]
    return said


def write_report(result: RunResult, folder: Path, formats: str, keys: Iterable[str]) -> None:
    """Write the files of a report, and the list of requests of a dry run.

    Raises:
        OSError: a file can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if result.counters.dry_run:
        listed = "\n".join(result.counters.request_list) + "\n"
        (folder / LISTING).write_text(redacted(listed, keys), "utf-8")
    write_reports(result, folder, parse_formats(formats))


def summary_of(
    result: RunResult, folder: Path | None, messages: Sequence[str], *, incomplete: bool
) -> list[str]:
    """Write the summary of GitHub Actions, and return the lines at the end of the output."""
    counters, lines = result.counters, list(lines_of(result))
    if counters.never_seen() and not result.plan.get("only"):
        why = "" if counters.has_mock_controls else " (most need the mock's controls)"
        lines.append(f"never received{why}: {', '.join(counters.never_seen())}")
    lines += [*messages, *write_step_summary(result)]
    if incomplete:
        lines.append("FAILED: a documented response was never received, so it was not tested")
    if folder is not None and counters.dry_run:
        lines.append(f"what would be sent: {folder / LISTING}")
    if folder is not None:
        lines.append(f"contract report: {folder / 'report.html'}")
    return lines
