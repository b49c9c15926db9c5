"""The options of a command for its ledger."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen
from click.shell_completion import CompletionItem

from wanflow._config import LEDGER_VARIABLE
from wanflow._database_url import is_postgres_url, without_password
from wanflow.cli.progress import show_warning
from wanflow.cli.text import one_line
from wanflow.cli.values import ParsedValue
from wanflow.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from wanflow.ledger import Ledger
    from wanflow.ledger.job import Job

_MAX_COMPLETED = 200
_READ_ONLY = "it is read, but nothing can be recorded in it"


@frozen
class LedgerOptions:
    """The ledger of a command: at `path` (None: the default path), or disabled."""

    path: Path | str | None = None
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
        return ledger_arguments(self.path) if self.enabled else ["--no-ledger"]

    def uncertain_jobs(self) -> list[str] | None:
        """Return the command that lists its uncertain jobs, None if it is disabled."""
        return uncertain_jobs(self.path) if self.enabled else None

    def exists(self) -> bool:
        """Whether it is enabled, and its file exists."""
        from wanflow.ledger.location import default_path, may_exist

        return self.enabled and may_exist(self.path or default_path())

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


def open_ledger(
    path: Path | str | None, *, create: bool = False, keep_prompts: bool = True
) -> Ledger:
    """Open the ledger at a path, or at the default path.

    Raises:
        LedgerError: it doesn't exist and `create` is false, or it can't be read.
    """
    from wanflow.ledger import Ledger
    from wanflow.ledger.location import default_path, may_exist

    named = path or default_path()
    if not create and not may_exist(named):
        raise LedgerError(f"there is no ledger at {named}: nothing was recorded", path=str(named))
    return Ledger(named, keep_prompts=keep_prompts)


@contextmanager
def read_ledger(
    path: Path | str | None, warn: Callable[[str], object] = show_warning
) -> Generator[Ledger]:
    """Open the ledger at a path to read it: a copy where it can't be written, with a warning.

    Raises:
        LedgerError: it doesn't exist, or it can't be read.
    """
    from wanflow.ledger.location import default_path
    from wanflow.ledger.read_copy import is_unwritable, open_copy

    named = path or default_path()
    try:
        opened: AbstractContextManager[Ledger] = open_ledger(path)
        if isinstance(named, Path) and not os.access(named, os.W_OK):
            warn(f"ledger {named}: it can't be written; {_READ_ONLY}")
    except LedgerError as error:
        if isinstance(named, str) or not is_unwritable(error):
            raise
        opened = open_copy(named)
        warn(f"{error}; {_READ_ONLY}")
    with opened as ledger:
        yield ledger


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
            with read_ledger(ctx.params.get("ledger"), warn=str) as ledger:
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


def uncertain_jobs(ledger: Path | str | None) -> list[str]:
    """Return the command that lists the uncertain jobs of a ledger, without `wanflow`."""
    return ["ledger", "list", "--state", "uncertain", *ledger_arguments(ledger)]


def ledger_arguments(ledger: Path | str | None) -> list[str]:
    """Return the option `--ledger` as arguments that may be shown: without a password."""
    return [] if ledger is None else ["--ledger", without_password(str(ledger))]


class LedgerPath(click.Path):
    """The path of a file, or the URL of a PostgreSQL database."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a URL unchanged, and a file's path."""
        return value if is_postgres_url(value) else super().convert(value, param, ctx)


def ledger_option() -> click.Option:
    """Return the option `--ledger`."""
    return click.Option(
        ["--ledger"],
        type=LedgerPath(path_type=Path, dir_okay=False),
        help="The ledger's file, or a postgresql:// URL; "
        f"by default {LEDGER_VARIABLE}, or a file in your data directory.",
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
