"""How an error is told: a sentence on stderr, an event on stdout with `--json`, an exit code."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click
from attrs import define, field

from wanflow import errors
from wanflow._core.validation import UPLOADER_HINT
from wanflow.cli.exit_codes import UNEXPECTED, exit_code_for
from wanflow.cli.text import one_line, printable

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.cli.connection import Connection
    from wanflow.cli.ledger_options import LedgerOptions

# After these, waiting for the task again leads nowhere.
_FINAL = (errors.TaskFailed, errors.NotFound, errors.LinkExpired)
_UPLOAD_IT = "; put the file where a URL leads to it, and give that URL"
_FACTS = (
    *("task_id", "status", "code", "type", "param", "fallback_suggestion", "request_id"),
    *("retry_after", "idempotency_key", "reason", "url", "advice", "resubmit"),
)


@define
class CommandContext:
    """What is known of a command when it ends: how to speak, and how its task is taken up again.

    `options` are those that a command to resume needs, as words of a command line. A command of
    many tasks is resumed by itself, `again`.
    """

    as_json: bool = False
    options: list[str] = field(factory=list[str])
    again: str | None = None

    @classmethod
    def current(cls) -> CommandContext:
        """Return the situation of the command that runs."""
        return click.get_current_context().find_object(cls) or cls()

    def keep(self, out: Path | None, connection: Connection, record: LedgerOptions) -> None:
        """Keep what a command to resume needs."""
        folder = ["-o", str(out)] if out else []
        self.options = [*folder, *connection.words(), *record.words()]

    def repeat(self) -> None:
        """Keep that the same command goes on with what an interrupt leaves."""
        self.again = printable(shlex.join(["wanflow", *sys.argv[1:]]))

    def resume(self, error: BaseException) -> str | None:
        """Return the command that takes the task of an error up again, where that makes sense."""
        if self.again is not None:
            return self.again if isinstance(error, KeyboardInterrupt) else None
        task_id = getattr(error, "task_id", None)
        if task_id is None or isinstance(error, _FINAL):
            return None
        verb = "download" if isinstance(error, errors.DownloadFailed) else "wait"
        return printable(shlex.join(["wanflow", verb, task_id, *self.options]))


def report_error(error: BaseException, situation: CommandContext) -> int:
    """Tell an error and return the exit code of its kind."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return exit_code_for(error).code
    resume = situation.resume(error)
    sentence = _sentence(error)
    if situation.again is not None and resume is not None:
        sentence = f"{exit_code_for(error).kind}; the tasks go on, and this takes them up again:"
    if resume is not None:
        sentence = f"{sentence}\n  {resume}"
    click.echo(f"wanflow: {sentence}", err=True)
    if situation.as_json:
        click.echo(json.dumps(_event(error, resume)))
    return exit_code_for(error).code


def _event(error: BaseException, resume: str | None) -> dict[str, Any]:
    end = exit_code_for(error)
    facts = {name: getattr(error, name, None) for name in _FACTS}
    return {
        "event": "error",
        "kind": end.kind,
        "exit_code": end.code,
        "message": _sentence(error),
        **{name: fact for name, fact in facts.items() if isinstance(fact, str | int | float)},
        **({"resume": resume} if resume else {}),
        **_violations(error),
    }


def _violations(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, errors.InvalidRequest):
        return {}
    return {
        "violations": [
            {
                "pointer": broken.pointer,
                "rule": broken.rule,
                "message": broken.message,
                **({"sentence": broken.citation} if broken.citation else {}),
            }
            for broken in error.violations
        ]
    }


def _sentence(error: BaseException) -> str:
    match error:
        case click.UsageError():
            return _usage(error)
        case errors.WaitTimeout(snapshot=seen, last_error=fault):
            state = f"last seen {seen.status or 'without a status'}" if seen else "never seen"
            state += f"; the last look: {fault}" if fault else ""
            return one_line(f"task {error.task_id} has not ended yet ({state}), and goes on")
        case KeyboardInterrupt():
            return _interrupted(error)
        case errors.InvalidRequest():
            return _for_the_command_line(printable(str(error)))
        case _ if exit_code_for(error) is UNEXPECTED:
            return one_line(f"unexpected {type(error).__name__}: {error}")
        case _:
            return one_line(str(error))


def _for_the_command_line(text: str) -> str:
    return text.replace("extra={…}", "--extra NAME=JSON").replace(UPLOADER_HINT, _UPLOAD_IT)


def _usage(error: click.UsageError) -> str:
    text = one_line(error.format_message()).rstrip(".")
    return f"{text}; see {error.ctx.command_path} --help" if error.ctx else text


def _interrupted(error: BaseException) -> str:
    if getattr(error, "task_id", None) is not None:
        return f"{exit_code_for(error).kind}; the task goes on, and this takes it up again:"
    notes = getattr(error, "__notes__", [])
    return one_line("; ".join([exit_code_for(error).kind, *notes]))
