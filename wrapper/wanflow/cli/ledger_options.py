"""The options of a command for its ledger."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen
from click.shell_completion import CompletionItem

from wanflow._config import LEDGER_VARIABLE
from wanflow.cli.text import one_line
from wanflow.cli.values import ParsedValue
from wanflow.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextlib import AbstractContextManager

    from wanflow.ledger import Ledger
    from wanflow.ledger.job import Job

_MAX_COMPLETED = 200


@frozen
class LedgerOptions:
    """The ledger of a command: at `path` (None: the default path), or disabled."""

    path: Path | None = None
    enabled: bool = True
    keep_prompts: bool = True

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> LedgerOptions:
        """Read the values of the options.

        Raises:
            click.UsageError: both --ledger and --no-ledger are given.
        """
        if values["no_ledger"] and values["ledger"] is not None:
            raise click.UsageError("--ledger and --no-ledger exclude each other")
        return cls(values["ledger"], not values["no_ledger"], not values.get("no_prompts", False))

    def to_arguments(self) -> list[str]:
        """Return the options as command line arguments."""
        named = [] if self.path is None else ["--ledger", str(self.path)]
        return named if self.enabled else ["--no-ledger"]

    def exists(self) -> bool:
        """Whether it is enabled, and its file exists."""
        from wanflow.ledger import default_path

        return self.enabled and (self.path or default_path()).exists()

    def open(self) -> AbstractContextManager[Ledger | None]:
        """Open the ledger, created if needed; None if it is disabled.

        Raises:
            LedgerError: it can't be opened or created.
        """
        return self._opened() if self.enabled else nullcontext()

    @contextmanager
    def _opened(self) -> Generator[Ledger]:
        try:
            ledger = open_ledger(self.path, create=True, keep_prompts=self.keep_prompts)
        except LedgerError as error:
            without = "use --ledger for another path, or --no-ledger to record nothing"
            raise LedgerError(f"{error}; {without}", path=error.path) from None
        with ledger:
            yield ledger


def open_ledger(path: Path | None, *, create: bool = False, keep_prompts: bool = True) -> Ledger:
    """Open the ledger at a path, or at the default path.

    Raises:
        LedgerError: it doesn't exist and `create` is false, or it can't be read.
    """
    from wanflow.ledger import Ledger, default_path

    named = path or default_path()
    if not create and not named.exists():
        raise LedgerError(f"there is no ledger at {named}: nothing was recorded", path=str(named))
    return Ledger(named, keep_prompts=keep_prompts)


class JobReference(ParsedValue):
    """A job by its number, task id or name, or a task by its id; completed from the ledger."""

    def __init__(self, *, tasks_only: bool = False) -> None:
        super().__init__()
        self._tasks_only = tasks_only

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the references that complete a text, the latest first; none without a ledger."""
        try:
            with open_ledger(ctx.params.get("ledger")) as ledger:
                jobs = ledger.jobs(newest_first=True, limit=_MAX_COMPLETED)
        except (LedgerError, OSError):
            return []
        return [
            CompletionItem(reference, help=f"{job.state} {job.model or ''}".strip())
            for job in jobs
            for reference in self._references(job)
            if reference and reference.startswith(incomplete) and reference == one_line(reference)
        ]

    def _references(self, job: Job) -> tuple[str | None, ...]:
        return (job.task_id,) if self._tasks_only else (str(job.id), job.task_id, job.name)


def ledger_option() -> click.Option:
    """Return the option `--ledger`."""
    return click.Option(
        ["--ledger"],
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"The ledger's file; by default {LEDGER_VARIABLE}, or a file in your data directory.",
    )


def record_options(*, submits: bool = False) -> list[click.Parameter]:
    """Return the options that say whether and where a command is recorded."""
    return [
        ledger_option(),
        click.Option(["--no-ledger"], is_flag=True, help="Record nothing."),
        *([prompts_option()] if submits else []),
    ]


def prompts_option() -> click.Option:
    """Return the option `--no-prompts`."""
    return click.Option(["--no-prompts"], is_flag=True, help="Store no prompts in the ledger.")
