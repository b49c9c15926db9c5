"""The formats of a report, and the files that they are written to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow_contract.report.annotations import render_annotations
from wanflow_contract.report.html import render
from wanflow_contract.report.markdown import render_markdown
from wanflow_contract.report.sarif import render_sarif
from wanflow_contract.report.terminal import render_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from wanflow_contract.report.result import RunResult


def render_json(result: RunResult) -> str:
    """Return the result itself as JSON."""
    return json.dumps(result.to_json(), indent=1)


RENDERERS: dict[str, Callable[[RunResult], str]] = {
    "html": render,
    "json": render_json,
    "sarif": render_sarif,
    "markdown": render_markdown,
    "annotations": render_annotations,
    "terminal": render_terminal,
}
"""How to render a result, by the name of the format."""
FILES = {
    "html": "report.html",
    "json": "report.json",
    "sarif": "report.sarif",
    "markdown": "report.md",
}
"""The formats that are written to files; `junit` is another, which pytest writes."""
JUNIT = "junit"
DEFAULT = ("html", "json", JUNIT)


def parse_formats(text: str) -> tuple[str, ...]:
    """Return the formats of a list with commas.

    Raises:
        ValueError: one of them doesn't exist.
    """
    names = tuple(one.strip() for one in text.split(",") if one.strip())
    for name in names:
        if name not in (*FILES, JUNIT):
            allowed = ", ".join((*FILES, JUNIT))
            raise ValueError(f"{name!r} is not a format of the report; it must be of {allowed}")
    return names


def write_reports(result: RunResult, folder: Path, formats: Collection[str]) -> list[Path]:
    """Write a result to a directory in some formats, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = list[Path]()
    for name in formats:
        if name in FILES:
            paths.append(Path(folder, FILES[name]))
            text = RENDERERS[name](result)
            paths[-1].write_text(text, "utf-8", errors="backslashreplace")
    return paths
