"""The kinds of events, and how flows emit them.

`wanflow.events` has their classes. It isn't imported here: most programs want no event, and making
so many classes takes longer than the rest of this package.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from wanflow._core.effects import EmitEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow import events
    from wanflow._core.effects import Flow

P = ParamSpec("P")

TRACE, DEBUG, INFO, WARNING = 5, 10, 20, 30

# The level at which each kind is logged.
LEVELS = {
    "SubmitStarted": TRACE,
    "Submitted": INFO,
    "AlreadySubmitted": DEBUG,
    "SubmissionRejected": TRACE,
    "SubmissionUncertain": TRACE,
    "SubmitFailed": WARNING,
    "TransportFailed": TRACE,
    "RetryScheduled": WARNING,
    "RateLimitReached": TRACE,
    "PauseShortened": WARNING,
    "WaitStarted": TRACE,
    "Polled": TRACE,
    "PollFailed": TRACE,
    "StatusChanged": DEBUG,
    "UnknownStatus": WARNING,
    "LinksMissing": DEBUG,
    "Completed": INFO,
    "Failed": WARNING,
    "WaitTimedOut": WARNING,
    "WaitFailed": WARNING,
    "UploadStarted": TRACE,
    "Uploaded": DEBUG,
    "UploadFailed": WARNING,
    "DownloadStarted": TRACE,
    "DownloadAttempted": TRACE,
    "Saved": INFO,
    "DownloadFailed": WARNING,
    "Interrupted": DEBUG,
    "ResponseAwaited": WARNING,
    "SubmissionsUncertain": WARNING,
}
# What the caller also gets, as a result or an error.
RETURNED = frozenset(
    {"SubmitFailed", "Completed", "Failed", "WaitTimedOut", "WaitFailed", "UploadFailed"}
    | {"Saved", "DownloadFailed", "Interrupted"}
)

if TYPE_CHECKING:
    kinds = events
else:
    kinds = SimpleNamespace(**{name: name for name in LEVELS})


def emit(
    kind: Callable[Concatenate[float, P], object], *_: P.args, **fields: P.kwargs
) -> Flow[None]:
    """Emit an event of a kind, with these fields; the driver adds the time."""
    yield EmitEvent(kind, fields)


def emit_timed(
    kind: Callable[Concatenate[float, float, P], object],
    since: float,
    /,
    *_: P.args,
    **fields: P.kwargs,
) -> Flow[None]:
    """Emit an event of a kind; the driver adds the time and the duration.

    `since` is the time of its beginning in seconds of the monotonic clock.
    """
    yield EmitEvent(kind, fields, since)


def timed_event(
    kind: Callable[Concatenate[float, float, P], object],
    since: float,
    /,
    *_: P.args,
    **fields: P.kwargs,
) -> EmitEvent:
    """Return the effect of `emit_timed`, for a flow that is passed by each poll."""
    return EmitEvent(kind, fields, since)
