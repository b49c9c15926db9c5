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
_UPLOAD_HINT = "; put the file where a URL leads to it, and give that URL"
_ERROR_ATTRIBUTES = (
    *("task_id", "status", "code", "type", "param", "fallback_suggestion", "request_id"),
    *("retry_after", "idempotency_key", "reason", "url", "hint", "retryable"),
)


@define
class CommandContext:
    """What is known of a command when it ends: how to speak, and how its task is taken up again.

    `options` are those that a command to resume needs, as words of a command line. A command of
    many tasks is resumed by itself, `again`.
    """

    as_json: bool = False
    options: list[str] = field(factory=list[str])
    repeat_command: str | None = None

    @classmethod
    def current(cls) -> CommandContext:
        """Return the situation of the command that runs."""
        return click.get_current_context().find_object(cls) or cls()

    def set_resume_options(
        self, output_dir: Path | None, connection: Connection, ledger_options: LedgerOptions
    ) -> None:
        """Keep what a command to resume needs."""
        folder = ["-o", str(output_dir)] if output_dir else []
        self.options = [*folder, *connection.arguments(), *ledger_options.to_arguments()]

    def resume_by_repeating(self) -> None:
        """Keep that the same command goes on with what an interrupt leaves."""
        self.repeat_command = printable(shlex.join(["wanflow", *sys.argv[1:]]))

    def resume_command(self, error: BaseException) -> str | None:
        """Return the command that takes the task of an error up again, where that makes sense."""
        if self.repeat_command is not None:
            return self.repeat_command if isinstance(error, KeyboardInterrupt) else None
        task_id = getattr(error, "task_id", None)
        if task_id is None or isinstance(error, _FINAL):
            return None
        verb = "download" if isinstance(error, errors.DownloadFailed) else "wait"
        return printable(shlex.join(["wanflow", verb, task_id, *self.options]))


def report_error(error: BaseException, context: CommandContext) -> int:
    """Tell an error and return the exit code of its kind."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return exit_code_for(error).code
    resume = context.resume_command(error)
    sentence = _message(error)
    if context.repeat_command is not None and resume is not None:
        sentence = f"{exit_code_for(error).kind}; the tasks go on, and this takes them up again:"
    if resume is not None:
        sentence = f"{sentence}\n  {resume}"
    click.echo(f"wanflow: {sentence}", err=True)
    if context.as_json:
        click.echo(json.dumps(_event(error, resume)))
    return exit_code_for(error).code


def _event(error: BaseException, resume: str | None) -> dict[str, Any]:
    end = exit_code_for(error)
    facts = {name: getattr(error, name, None) for name in _ERROR_ATTRIBUTES}
    return {
        "event": "error",
        "kind": end.kind,
        "exit_code": end.code,
        "message": _message(error),
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


def _message(error: BaseException) -> str:
    match error:
        case click.UsageError():
            return _usage_message(error)
        case errors.WaitTimeout(snapshot=seen, last_error=fault):
            state = f"last seen {seen.status or 'without a status'}" if seen else "never seen"
            state += f"; the last look: {fault}" if fault else ""
            return one_line(f"task {error.task_id} has not ended yet ({state}), and goes on")
        case KeyboardInterrupt():
            return _interrupt_message(error)
        case errors.InvalidRequest():
            return _with_command_line_hints(printable(str(error)))
        case _ if exit_code_for(error) is UNEXPECTED:
            return one_line(f"unexpected {type(error).__name__}: {error}")
        case _:
            return one_line(str(error))


def _with_command_line_hints(text: str) -> str:
    return text.replace("extra={…}", "--extra NAME=JSON").replace(UPLOADER_HINT, _UPLOAD_HINT)


def _usage_message(error: click.UsageError) -> str:
    text = one_line(error.format_message()).rstrip(".")
    return f"{text}; see {error.ctx.command_path} --help" if error.ctx else text


def _interrupt_message(error: BaseException) -> str:
    if getattr(error, "task_id", None) is not None:
        return f"{exit_code_for(error).kind}; the task goes on, and this takes it up again:"
    notes = getattr(error, "__notes__", [])
    return one_line("; ".join([exit_code_for(error).kind, *notes]))
