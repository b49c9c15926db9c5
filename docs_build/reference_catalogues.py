"""The catalogues: checks of the contract suite, ids of changes, and codes of failed tasks."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from wanflow._core.failure_codes import HINTS
from wanflow.spec.diff.change_kinds import KINDS
from wanflow_contract.triage.explain import load_checks

if TYPE_CHECKING:
    from wanflow.spec.diff.change_kinds import ChangeKind
    from wanflow_contract.checks.check import Check

GROUPS = {
    "1": "Breaking",
    "2": "Warnings",
    "3": "Additions",
    "4": "Information",
    "5": "Findings of `check`",
    "6": "Failures of `check`",
}


def checks_page() -> str:
    """Return every check, with its source, and what a correct server does."""
    checks = sorted(load_checks().values(), key=lambda check: check.name)
    return (
        "# Checks of the contract suite\n\n"
        f"{len(checks)} sentences that are true of every correct server. "
        "`wanflow contract explain NAME` prints one, and `wanflow contract --only NAME` runs it. "
        "A check that rests on no sentence of the documents is a note: it is reported, and fails a "
        "run only with `--strict`.\n\n" + "\n".join(map(_check, checks))
    )


def _check(check: Check) -> str:
    rows = (
        ("Source", check.cites and f"“{_inline(check.cites)}”"),
        ("Why it matters", _inline(check.why)),
        ("A correct server", _inline(check.correct)),
    )
    kind = "\n\n*Note.*" if check.note else ""
    lines = "\n".join(f"- {title}: {text}" for title, text in rows if text)
    return f"## {check.name}\n\n{_inline(check.sentence)}{kind}\n\n{lines}\n"


def _inline(text: str) -> str:
    """Return a text on one line, which Markdown shows as it is."""
    escaped = text.replace("\\", "\\\\")
    for sign in "*_<[":
        escaped = escaped.replace(sign, f"\\{sign}")
    return " ".join(escaped.split())


def change_ids_page() -> str:
    """Return every id of a change or finding, by its severity."""
    introduction = (
        "# Ids of changes\n\nWhat `wanflow spec diff`, `check` and `import` report. "
        "[Changes of a document](../changes.md) explains the output, and how a reviewed change is "
        "silenced.\n"
    )
    parts = [introduction]
    for number, kinds in groupby(KINDS.values(), key=lambda kind: kind.id[2]):
        parts.append(f"## {GROUPS[number]}\n\n{''.join(map(_change, kinds))}")
    return "\n".join(parts)


def _change(kind: ChangeKind) -> str:
    return f"### {kind.id}\n\n{_inline(kind.title)}\n\n"


def failure_codes_page() -> str:
    """Return every code that a failed task may have, and what helps."""
    rows = "".join(
        f"| `{code}` | {'yes' if hint.retryable else 'no'} | {hint.text} |\n"
        for code, hint in HINTS.items()
    )
    return (
        "# Failure codes\n\nThe `code` of a [TaskFailed](../errors/TaskFailed.md). "
        "*Retryable* is whether the same request may succeed in a new submission, which is "
        "charged. "
        "A code that isn't listed counts as `unknown_error`.\n\n"
        f"| code | retryable | what to do |\n|---|---|---|\n{rows}"
    )
