"""The exit codes, each with the kinds of errors that end with it: the one place they are told."""

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
from wanflow._config import KEY_VARIABLE, LEDGER_VARIABLE, URL_VARIABLE
from wanflow.catalog.document import SpecMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_HANGUP = getattr(signal, "SIGHUP", None)
_TERMINATION_SIGNALS = tuple(number for number in (signal.SIGTERM, _HANGUP) if number is not None)
_STOP_SIGNALS = (signal.SIGINT, *_TERMINATION_SIGNALS)
_DUPLICATE_WINDOW = 1.0
"""Seconds within which one stop may arrive twice: `timeout` and shells send it so."""
_OUTPUTS = (1, 2)


class SigtermReceived(KeyboardInterrupt):
    """SIGTERM came: from `timeout`, a job's end, or a shutdown."""


class SighupReceived(KeyboardInterrupt):
    """SIGHUP came: the terminal was closed, or its connection dropped."""


@contextmanager
def raise_on_sigterm() -> Generator[None]:
    """Raise Terminated on SIGTERM and HungUp on SIGHUP, unless somebody has other plans."""
    ours = [number for number in _TERMINATION_SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    with _installed(ours, _StopHandler(_raise_received, _raise_received)):
        yield


@contextmanager
def handle_stop_signals(stop: SignalAction, exit_now: SignalAction) -> Generator[None]:
    """Call `stop` when the first interrupt comes, and `leave` when a person insists.

    Signals that are ignored, as those of a command under `nohup`, stay so.
    """
    ours = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    with _installed(ours, _StopHandler(stop, exit_now)):
        yield


def _raise_received(number: int) -> None:
    raise SighupReceived if number == _HANGUP else SigtermReceived


@define
class _StopHandler:
    """Tells a second request to stop from the first one that arrives twice."""

    stop: SignalAction
    exit_now: SignalAction
    first_at: float | None = None
    _terminals: tuple[int, ...] = field(factory=lambda: tuple(filter(os.isatty, _OUTPUTS)))

    def __call__(self, number: int, _: object) -> None:
        if number == _HANGUP:
            _redirect_to_null([one for one in self._terminals if not os.isatty(one)])
        moment = time.monotonic()
        if self.first_at is None:
            self.first_at = moment
            self.stop(number)
        elif number == signal.SIGINT or (
            number != _HANGUP and moment - self.first_at > _DUPLICATE_WINDOW
        ):
            self.exit_now(number)


def _redirect_to_null(outputs: Iterable[int]) -> None:
    """Have what is written to a terminal that is gone go nowhere, instead of failing."""
    null = os.open(os.devnull, os.O_WRONLY)
    for one in outputs:
        os.dup2(null, one)
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
    """An exit code, its name in JSON, what it means, and what ends with it."""

    code: int
    kind: str
    meaning: str
    causes: tuple[type[BaseException], ...] = ()


UNEXPECTED = ExitCode(1, "unexpected", "something that should not happen, or a broken pipe")

# The first that fits is taken.
EXIT_CODES = (
    ExitCode(
        2,
        "invalid_request",
        "the command or the request is wrong: a rule is broken, or the API says 400 or 413",
        (click.UsageError, errors.InvalidRequest, errors.BadRequest, errors.RequestTooLarge),
    ),
    ExitCode(
        3,
        "configuration",
        "a key, a URL or an installed part is missing or malformed",
        (errors.ConfigurationError, SpecMissing, click.ClickException),
    ),
    ExitCode(
        4,
        "refused",
        "the API refuses the key or the account (401, 403)",
        (errors.AuthenticationFailed, errors.PermissionDenied),
    ),
    ExitCode(5, "no_credits", "too few credits (402)", (errors.InsufficientCredits,)),
    ExitCode(6, "rate_limited", "too many requests (429)", (errors.RateLimited,)),
    ExitCode(7, "task_failed", "the task ended without a result", (errors.TaskFailed,)),
    ExitCode(8, "wait_timeout", "the task has not ended yet; it goes on", (errors.WaitTimeout,)),
    ExitCode(9, "unreachable", "the API can't be reached", (errors.ConnectionFailed,)),
    ExitCode(
        10,
        "submit_uncertain",
        "a submission may have been accepted and charged, or not",
        (errors.SubmitUncertain,),
    ),
    ExitCode(
        11,
        "download_failed",
        "a file can't be fetched or saved, or its link has expired",
        (errors.DownloadFailed,),
    ),
    ExitCode(12, "not_found", "no such task or model, or it has expired (404)", (errors.NotFound,)),
    ExitCode(
        13, "api_trouble", "the API failed (5xx), or its answer is unreadable", (errors.APIError,)
    ),
    ExitCode(
        14,
        "ledger",
        "the ledger can't be used, or another process works on the job",
        (errors.LedgerError,),
    ),
    ExitCode(15, "unfinished", "some jobs of a batch or of the ledger have not ended well"),
    ExitCode(129, "hung_up", "SIGHUP: the terminal was closed", (SighupReceived,)),
    ExitCode(143, "terminated", "SIGTERM", (SigtermReceived,)),
    ExitCode(130, "interrupted", "Ctrl-C", (KeyboardInterrupt,)),
)


def exit_code_for(error: BaseException) -> ExitCode:
    """Return how a command ends with an error."""
    return next((end for end in EXIT_CODES if isinstance(error, end.causes)), UNEXPECTED)


def _rows() -> list[tuple[str, str]]:
    ends = sorted((UNEXPECTED, *EXIT_CODES), key=lambda end: end.code)
    return [("0", "done"), *((str(end.code), end.meaning) for end in ends)]


EPILOG = (
    ("Exit codes", _rows()),
    (
        "Environment",
        [
            (KEY_VARIABLE, "the API key"),
            (URL_VARIABLE, "where the API is; the documents' server by default"),
            (LEDGER_VARIABLE, "the file that records what was paid for; in your data folder else"),
        ],
    ),
    (
        "Shell completion",
        [
            ("bash", 'eval "$(_WANFLOW_COMPLETE=bash_source wanflow)"'),
            ("zsh", 'eval "$(_WANFLOW_COMPLETE=zsh_source wanflow)"'),
            ("fish", "_WANFLOW_COMPLETE=fish_source wanflow | source"),
        ],
    ),
)


if TYPE_CHECKING:
    SignalAction = Callable[[int], object]
