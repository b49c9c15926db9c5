"""Where a report goes when a run ends: the terminal, files, and GitHub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow_contract.findings.finding import redacted
from wanflow_contract.report.annotations import render_annotations
from wanflow_contract.report.markdown import render_markdown
from wanflow_contract.report.result import RunResult
from wanflow_contract.report.terminal import render_terminal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any


def without_keys(result: RunResult, keys: Collection[str]) -> RunResult:
    """Return a result whose texts hold no form of an API key."""
    return RunResult.from_json(_redacted(result.to_json(), keys))


def _redacted(node: Any, keys: Collection[str]) -> Any:
    match node:
        case str():
            return redacted(node, keys)
        case dict():
            return {_name(str(name), keys): _redacted(one, keys) for name, one in node.items()}
        case list() | tuple():
            return [_redacted(one, keys) for one in node]
        case _:
            return node


def _name(name: str, keys: Collection[str]) -> str:
    """Return a name without keys; the names of a result's own fields stay, whatever the key is."""
    return name if name.isidentifier() else redacted(name, keys)


def lines_of(result: RunResult, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield the lines at the end of a run's output; in GitHub Actions also its annotations."""
    yield from render_terminal(result).splitlines()
    if environment.get("GITHUB_ACTIONS") == "true":
        yield from render_annotations(result).splitlines()


def write_step_summary(result: RunResult, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Append the report to the summary of the GitHub job, if there is one.

    Returns what the output says of it: why it can't be written. That fails no run.
    """
    path = environment.get("GITHUB_STEP_SUMMARY")
    try:
        if path:
            with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(render_markdown(result))
    except OSError as error:
        return [f"the summary can't be written to {path}: {error.strerror or error}"]
    return []
