"""The exit codes with their errors, and the handling of signals."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from attrs import define, field, frozen

from wanflow import errors
from wanflow._config import KEY_VARIABLE, LEDGER_VARIABLE, UPLOADER_VARIABLE, URL_VARIABLE
from wanflow.catalog.document import SpecMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_HANGUP = getattr(signal, "SIGHUP", None)
_BREAK = getattr(signal, "SIGBREAK", None)  # Ctrl-Break, or the window is closed: on Windows
_TERMINATION_SIGNALS = tuple(one for one in (signal.SIGTERM, _HANGUP, _BREAK) if one is not None)
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *(() if _BREAK is None else (_BREAK,)))
"""What ends a server."""
_STOP_SIGNALS = (signal.SIGINT, *_TERMINATION_SIGNALS)
_DUPLICATE_WINDOW = 1.0
"""Seconds in which the same stop may arrive twice, as `timeout` and some shells send it."""
_OUTPUTS = (1, 2)


class SigtermReceived(KeyboardInterrupt):
    """SIGTERM was received."""


class SighupReceived(KeyboardInterrupt):
    """SIGHUP was received: the terminal was closed."""


@contextmanager
def raise_on_sigterm() -> Generator[None]:
    """Raise SigtermReceived or SighupReceived on these signals, unless they have a handler."""
    ours = [number for number in _TERMINATION_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    with _installed(ours, _StopHandler(_raise_received, _raise_received)):
        yield


@contextmanager
def handle_stop_signals(stop: SignalAction, exit_now: SignalAction) -> Generator[None]:
    """Call `stop` on the first stop signal, and `exit_now` on a second one.

    Ignored signals, as under `nohup`, stay ignored.
    """
    ours = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    with _installed(ours, _StopHandler(stop, exit_now)):
        yield


def _raise_received(number: int) -> None:
    raise SighupReceived if number == _HANGUP else SigtermReceived


@define
class _StopHandler:
    """Distinguishes a second stop request from the same one that arrives twice."""

    stop: SignalAction
    exit_now: SignalAction
    first_at: float | None = None
    _terminals: tuple[int, ...] = field(factory=lambda: tuple(filter(os.isatty, _OUTPUTS)))

    def __call__(self, number: int, _: object) -> None:
        if number == _HANGUP:
            _redirect_to_null([one for one in self._terminals if not os.isatty(one)])
        now = time.monotonic()
        if self.first_at is None:
            self.first_at = now
            self.stop(number)
        elif number == signal.SIGINT or (
            number != _HANGUP and now - self.first_at > _DUPLICATE_WINDOW
        ):
            self.exit_now(number)


def _redirect_to_null(outputs: Iterable[int]) -> None:
    """Discard what is written to a closed terminal, so that writing doesn't fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in outputs:
        os.dup2(null, descriptor)
    os.close(null)


@contextmanager
def _installed(numbers: Iterable[signal.Signals], handler: _StopHandler) -> Generator[None]:
    before: dict[signal.Signals, object] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)  # type: ignore[arg-type]


@frozen
class ExitCode:
    """An exit code: its name in JSON, its meaning, and its errors."""

    code: int
    kind: str
    meaning: str
    causes: tuple[type[BaseException], ...] = ()


UNEXPECTED = ExitCode(1, "unexpected", "unexpected error")

# The first that matches is used.
EXIT_CODES = (
    ExitCode(
        2,
        "invalid_request",
        "the command or the request is invalid (or the API says 400 or 413)",
        (click.UsageError, errors.InvalidRequest, errors.BadRequest, errors.RequestTooLarge),
    ),
    ExitCode(
        3,
        "configuration",
        "an API key, a URL or an installed package is missing or invalid",
        (errors.ConfigurationError, SpecMissing, click.ClickException),
    ),
    ExitCode(
        4,
        "access_denied",
        "the API rejects the key or the account (401, 403)",
        (errors.AuthenticationFailed, errors.PermissionDenied),
    ),
    ExitCode(5, "no_credits", "not enough credits (402)", (errors.InsufficientCredits,)),
    ExitCode(6, "rate_limited", "too many requests (429)", (errors.RateLimited,)),
    ExitCode(7, "task_failed", "the task failed", (errors.TaskFailed,)),
    ExitCode(8, "wait_timeout", "timed out; the task is still running", (errors.WaitTimeout,)),
    ExitCode(9, "unreachable", "the API can't be reached", (errors.ConnectionFailed,)),
    ExitCode(
        10,
        "submit_uncertain",
        "a submission may have been accepted and charged, or not",
        (errors.SubmitUncertain,),
    ),
    ExitCode(
        18,
        "storage_failed",
        "the object storage can't be reached, or rejects a file",
        (errors.StorageFailed,),
    ),
    ExitCode(
        11,
        "download_failed",
        "a file can't be downloaded or saved, or its link has expired",
        (errors.DownloadFailed,),
    ),
    ExitCode(
        12, "not_found", "the task or model doesn't exist, or has expired (404)", (errors.NotFound,)
    ),
    ExitCode(
        13, "api_error", "the API failed (5xx), or its response is unreadable", (errors.APIError,)
    ),
    ExitCode(
        14,
        "ledger",
        "the ledger can't be used, or another process works on the job",
        (errors.LedgerError,),
    ),
    ExitCode(15, "unfinished", "some jobs of a batch or of the ledger failed or are unfinished"),
    ExitCode(
        16,
        "over_limit",
        "the job may cost more than --max-credits, and was not sent",
        (errors.CreditLimitExceeded,),
    ),
    ExitCode(
        17,
        "upload_failed",
        "a local file can't be uploaded; nothing was sent or charged",
        (errors.UploadFailed,),
    ),
    ExitCode(129, "hangup", "SIGHUP: the terminal was closed", (SighupReceived,)),
    ExitCode(143, "terminated", "SIGTERM", (SigtermReceived,)),
    ExitCode(130, "interrupted", "Ctrl-C", (KeyboardInterrupt,)),
)


def exit_code_for(error: BaseException) -> ExitCode:
    """Return the exit code for an error."""
    return next((one for one in EXIT_CODES if isinstance(error, one.causes)), UNEXPECTED)


def _rows() -> list[tuple[str, str]]:
    codes = sorted((UNEXPECTED, *EXIT_CODES), key=lambda one: one.code)
    return [("0", "success"), *((str(one.code), one.meaning) for one in codes)]


SEE_EXIT_CODES = "wanflow --help lists the exit codes and what they mean."
"""What the help of a command says of its exit codes."""

EPILOG = (
    ("Exit codes", _rows()),
    (
        "Environment",
        [
            (KEY_VARIABLE, "the API key"),
            (URL_VARIABLE, "base URL of the API (default: the server of the spec)"),
            (LEDGER_VARIABLE, "ledger file (default: in your data directory)"),
            (UPLOADER_VARIABLE, "where local files are uploaded: s3://…, gs://…, az://… or mock"),
        ],
    ),
    (
        "Shell completion",
        [
            ("bash", 'eval "$(_WANFLOW_COMPLETE=bash_source wanflow)"'),
            (
                "zsh",
                'autoload -Uz compinit && compinit; eval "$(_WANFLOW_COMPLETE=zsh_source wanflow)"',
            ),
            ("fish", "_WANFLOW_COMPLETE=fish_source wanflow | source"),
        ],
    ),
)


if TYPE_CHECKING:
    SignalAction = Callable[[int], object]
