"""Reports errors: a sentence on stderr, an event on stdout with `--json`, an exit code."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click
from attrs import define, field

from wanflow import errors
from wanflow._core.validation import UPLOADER_HINT
from wanflow._database_url import without_passwords
from wanflow.cli.exit_codes import UNEXPECTED, exit_code_for
from wanflow.cli.json_output import emit
from wanflow.cli.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wanflow.cli.connection import Connection
    from wanflow.cli.ledger_options import LedgerOptions

# After these errors, the same command for the task again is useless.
_FINAL = (errors.TaskFailed, errors.NotFound, errors.LinkExpired, errors.WrongBaseURL)
_UPLOAD_HINT = "; to send a local file, pass --uploader s3://BUCKET/PREFIX, gs://…, az://… or mock"
_ERROR_ATTRIBUTES = (
    *("task_id", "status", "code", "type", "param", "fallback_suggestion", "request_id"),
    *("retry_after", "idempotency_key", "reason", "url", "hint", "retryable"),
)


@define
class CommandContext:
    """The context of the running command: its output format, and how to resume its task.

    `options` are the arguments that a command to resume the task needs, and `uncertain_jobs` is the
    command that lists uncertain jobs, None if nothing is recorded. A command for many tasks is
    resumed by running `repeat_command`, which is the same command again. `id_given` is True where
    the user named the task, so that its id may be wrong.
    """

    as_json: bool = False
    options: list[str] = field(factory=list[str])
    uncertain_jobs: list[str] | None = None
    repeat_command: str | None = None
    id_given: bool = False

    @classmethod
    def current(cls) -> CommandContext:
        """Return the context of the running command."""
        return click.get_current_context().find_object(cls) or cls()

    def set_resume_options(
        self,
        output_dir: Path | None,
        connection: Connection,
        ledger_options: LedgerOptions,
        name: str | None = None,
    ) -> None:
        """Set the options for the command that resumes the task."""
        output = ["-o", str(output_dir)] if output_dir else []
        # Without a directory, the name is in the ledger.
        output += ["--name", name] if output_dir and name is not None else []
        self.options = [*output, *connection.arguments(), *ledger_options.to_arguments()]
        self.uncertain_jobs = ledger_options.uncertain_jobs()

    def resume_by_repeating(self) -> None:
        """Record that running the same command again resumes the tasks."""
        self.repeat_command = printable(shown_command(sys.argv[1:]))

    def resume_command(self, error: BaseException) -> str | None:
        """Return the command that resumes the task of an error, None if there is none."""
        if self.repeat_command is not None:
            return self.repeat_command if isinstance(error, KeyboardInterrupt) else None
        task_id = getattr(error, "task_id", None)
        if task_id is None or isinstance(error, _FINAL) or self._is_wrong_id(error):
            return None
        verb = "download" if isinstance(error, errors.DownloadFailed) else "wait"
        return printable(shlex.join(["wanflow", verb, task_id, *self.options]))

    def settle_command(self, error: BaseException) -> str | None:
        """Return the command that shows how to settle the job of an error, None if none does."""
        if not isinstance(error, errors.SubmitUncertain) or error.task_id:
            return None
        jobs = self.uncertain_jobs
        return None if jobs is None else printable(shown_command(jobs))

    def _is_wrong_id(self, error: BaseException) -> bool:
        return self.id_given and isinstance(error, errors.BadRequest)


def shown_command(arguments: Sequence[str]) -> str:
    """Return a command of `wanflow` as it may be shown: without a password."""
    return shlex.join(["wanflow", *map(without_passwords, arguments)])


def report_error(error: BaseException, context: CommandContext) -> int:
    """Report an error, and return its exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return exit_code_for(error).code
    resume = context.resume_command(error)
    message = _message(error)
    if context.repeat_command is not None and resume is not None:
        message = f"{exit_code_for(error).kind}; the tasks are still running. To resume:"
    if resume is not None:
        message = f"{message}\n  {resume}"
    if (settle := context.settle_command(error)) is not None:
        message = f"{message}\n  {settle}   shows the job, and the commands that settle it"
    click.echo(f"wanflow: {message}", err=True)
    if context.as_json:
        emit("error", **_facts(error, resume))
    return exit_code_for(error).code


def _facts(error: BaseException, resume: str | None) -> dict[str, Any]:
    exit_code = exit_code_for(error)
    facts = {name: getattr(error, name, None) for name in _ERROR_ATTRIBUTES}
    return {
        "kind": exit_code.kind,
        "exit_code": exit_code.code,
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
                "pointer": violation.pointer,
                "rule": violation.rule,
                "message": violation.message,
                **({"citation": violation.citation} if violation.citation else {}),
            }
            for violation in error.violations
        ]
    }


def _message(error: BaseException) -> str:
    match error:
        case click.UsageError():
            return _usage_message(error)
        case errors.WaitTimeout(snapshot=snapshot, last_error=last_error):
            status = snapshot.status if snapshot else "unknown"
            reason = f"; last error: {last_error}" if last_error else ""
            return one_line(f"task {error.task_id} is still running (status: {status}{reason})")
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
        return f"{exit_code_for(error).kind}; the task is still running. To resume:"
    notes = getattr(error, "__notes__", [])
    return one_line("; ".join([exit_code_for(error).kind, *notes]))
