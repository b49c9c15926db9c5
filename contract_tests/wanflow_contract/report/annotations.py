"""GitHub annotations: one for each cause, as many as GitHub shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow_contract.report.digest import digest, fields, where
from wanflow_contract.report.text import often, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.findings.causes import Cause
    from wanflow_contract.report.result import RunResult

MOST = 10
"""GitHub shows as many errors for a step, and drops the rest."""


def render_annotations(result: RunResult) -> str:
    """Return a workflow command for each cause; the last one names how many are left out."""
    causes = digest(result).causes
    return "\n".join(_commands(causes))


def _commands(causes: list[Cause]) -> Iterator[str]:
    shown = causes if len(causes) <= MOST else causes[: MOST - 1]
    for cause in shown:
        main = cause.main
        place = " ".join(one for one in (where(cause), fields(cause)) if one)
        seen = f"seen {often(cause.count)}"
        again = "" if main.reproduced else ", not reproduced when the test was repeated"
        text = f"{main.sentence} {place}: {main.detail} ({main.id}, {seen}{again})"
        yield command(f"contract: {main.check}", text)
    if len(shown) < len(causes):
        text = f"{len(causes) - len(shown)} more causes are in the report and the step's summary."
        yield command("contract: more", text)


def command(title: str, text: str) -> str:
    """Return the workflow command for an error."""
    return f"::error title={_property(one_line(title, 120))}::{_data(one_line(text, 1000))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
