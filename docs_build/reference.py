"""Writes the pages of the reference that are made from the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import wanflow
from docs_build.reference_catalogues import (
    change_ids_page,
    checks_page,
    failure_codes_page,
)
from docs_build.reference_commands import commands_page, exit_codes_page
from docs_build.reference_errors import write_error_pages
from docs_build.reference_mock import admin_api_page
from tests.packaging.surface import public_modules

if TYPE_CHECKING:
    from pathlib import Path

FIRST = (
    "Client",
    "Task",
    "Result",
    "Snapshot",
    "Ledger",
    "AsyncClient",
    "AsyncTask",
    "AsyncResult",
)
"""What the page of the package begins with."""
SUMMARIES = {
    "wanflow": "clients, tasks and results",
    "wanflow.errors": "what is raised",
    "wanflow.ledger": "the record of what was paid for",
    "wanflow.batch": "many jobs",
    "wanflow.mock": "the mock, for tests",
    "wanflow.queue": "a queue in PostgreSQL, and its workers",
    "wanflow.uploads": "local files",
    "wanflow.webhooks": "callbacks",
    "wanflow.webhooks.errors": "errors of callbacks",
    "wanflow.webhooks.server": "a server for callbacks",
    "wanflow.events": "what a client does, as records",
    "wanflow.telemetry": "OpenTelemetry",
}
"""What each public module is for; a module without a summary is shown by its name alone."""


def write_reference(root: Path, pages: Path) -> None:
    """Write every generated page."""
    folder = pages / "reference"
    folder.mkdir(exist_ok=True)
    modules = public_modules(root / "wrapper/tests/packaging/public_modules.txt")
    for name in modules:
        (folder / f"{name}.md").write_text(_module_page(name), "utf-8")
    single = {
        "python": _modules_page(modules),
        "commands": commands_page(),
        "exit-codes": exit_codes_page(),
        "mock-admin": admin_api_page(),
        "checks": checks_page(),
        "change-ids": change_ids_page(),
        "failure-codes": failure_codes_page(),
    }
    for name, text in single.items():
        (folder / f"{name}.md").write_text(text, "utf-8")
    write_error_pages(pages / "errors", modules)


def _module_page(name: str) -> str:
    """Return the page of a module; that of the whole package begins with the clients."""
    if name != "wanflow":
        return f"# {name}\n\n::: {name}\n"
    first = [one for one in FIRST if one in wanflow.__all__]
    rest = [one for one in wanflow.__all__ if one not in first and not one.startswith("_")]
    parts = [
        f"# {name}\n\n{wanflow.__doc__}",
        *(f"::: {name}.{one}\n    options: {{show_root_heading: true}}" for one in (*first, *rest)),
    ]
    return "\n\n".join(parts) + "\n"


def _modules_page(modules: list[str]) -> str:
    lines = [f"- [{name}]({name}.md): {SUMMARIES.get(name, name)}" for name in modules]
    return (
        "# Python\n\nThese modules are public; everything else may change without notice.\n\n"
        + "\n".join(lines)
        + "\n\n`AsyncClient`, `AsyncTask` and `AsyncResult` have the methods of `Client`, `Task` "
        "and `Result`, to be awaited.\n"
    )
