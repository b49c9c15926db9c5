"""What happens in a client, as records: pass `on_event=` to `Client` or `AsyncClient`.

Each POST, poll, retry and download attempt is one record, and what isn't in a record didn't happen.
The log of `wanflow`, the progress of the command line and `wanflow.telemetry` are made from these
records. None of them holds the API key, a prompt, a link, or free text of the API: a status, code
or type of the API is kept only where it has the form of a name.

An operation is `submit`, `wait`, `poll` (a single poll, `task.refresh()`), `upload` or `download`
(of one file). It begins with a record named …Started, and ends with one of those that its record
of the beginning lists. A single poll is one record. An iterator that is closed before its end
leaves operations without an end.

`on_event` is a plain function, called where the event happens, and the operation goes on when it
returns. A sync client may call it from several threads. What it raises is logged once, and changes
nothing else: no submission, record or file depends on it.

Times are in Unix seconds, durations and delays in seconds, by the client's clock. Attempts, polls
and positions are counted from 1. What isn't known is None.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AlreadySubmitted",
    "Completed",
    "DownloadAttempted",
    "DownloadFailed",
    "DownloadStarted",
    "Event",
    "Failed",
    "Interrupted",
    "LinksMissing",
    "PauseShortened",
    "PollFailed",
    "Polled",
    "RateLimitReached",
    "ResponseAwaited",
    "RetryScheduled",
    "Saved",
    "StatusChanged",
    "SubmissionRejected",
    "SubmissionUncertain",
    "SubmissionsUncertain",
    "SubmitFailed",
    "SubmitStarted",
    "Submitted",
    "TimedEvent",
    "TransportFailed",
    "UnknownStatus",
    "UploadFailed",
    "UploadStarted",
    "Uploaded",
    "WaitFailed",
    "WaitStarted",
    "WaitTimedOut",
]

# The usual ones, of which each poll has one.
_STATUSES = frozenset({"pending", "processing", "completed", "failed"})
_NAME = re.compile(r"[A-Za-z0-9_.:+-]{1,64}")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_ID = re.compile(r"[A-Za-z0-9_.:+/=-]{1,128}")


def _as_name(value: object) -> str:
    """Keep a text of the API only if it has the form of a name."""
    if value in _STATUSES:
        return str(value)
    text = str(value)
    return text if _NAME.fullmatch(text) or not text else "…"


def _as_name_or_none(value: object) -> str | None:
    return None if value is None else _as_name(value)


def _as_id(value: str | None) -> str | None:
    """Keep an id of the API only if it has the form of one."""
    return value if value is None or _ID.fullmatch(value) else "…"


@frozen(kw_only=True)
class Event:
    """What all records have.

    `time` is in Unix seconds. `operation` is `submit`, `wait`, `poll`, `upload` or `download`.
    `str(event)` is one line of text for people.
    """

    kind: ClassVar[str] = "event"
    """The name of the kind in snake case, such as `submit_started`."""

    time: float = field(kw_only=False)
    operation: str
    task_id: str | None = field(default=None)

    def __init_subclass__(cls, **_: object) -> None:
        cls.kind = _CAPITAL.sub("_", cls.__name__).lower()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON has it: its kind as `event`, then its fields."""
        return {"event": self.kind, **attrs.asdict(self, filter=_is_public)}

    def __str__(self) -> str:
        return self.kind.replace("_", " ")


@frozen(kw_only=True)
class TimedEvent(Event):
    """An event that ends something: `duration` is its time in seconds."""

    duration: float = field(kw_only=False)


def _is_public(attribute: attrs.Attribute[Any], _: object) -> bool:
    return attribute.name != "prompt"


@frozen(kw_only=True)
class SubmitStarted(Event):
    """A submission begins: nothing of it has been sent.

    It ends with Submitted, AlreadySubmitted, SubmitFailed or Interrupted. `output` is what the
    model makes, such as `video`. `prompt` is None, unless the function that gets the records has
    a true attribute `wants_prompts`; it is never in the log, nor in `to_dict()`.
    """

    model: str
    idempotency_key: str
    output: str | None = None
    server: str | None = None
    prompt: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"submission of {self.model} begins"


@frozen(kw_only=True)
class Submitted(TimedEvent):
    """The API accepted the submission: there is a task, which is charged.

    `attempt` is the number of this POST, `duration` its time in seconds. `credits` are those that
    the API reserved or used, as far as it said.
    """

    model: str
    idempotency_key: str
    attempt: int
    status: str | None = field(default=None, converter=_as_name_or_none)
    progress: int | None = None
    credits: float | None = None
    request_id: str | None = field(default=None, converter=_as_id)

    def __str__(self) -> str:
        return f"submitted {self.model} as task {self.task_id}"


@frozen(kw_only=True)
class AlreadySubmitted(Event):
    """The ledger has the task of this idempotency key; nothing was sent."""

    model: str
    idempotency_key: str

    def __str__(self) -> str:
        return f"{self.model} was submitted before, as task {self.task_id}; nothing was sent"


@frozen(kw_only=True)
class SubmissionRejected(TimedEvent):
    """A POST was rejected by the API: nothing was charged. `retry_after` is in seconds."""

    model: str
    idempotency_key: str
    attempt: int
    http_status: int
    code: str | None = field(default=None, converter=_as_name_or_none)
    retry_after: float | None = None
    request_id: str | None = field(default=None, converter=_as_id)

    def __str__(self) -> str:
        return f"submission of {self.model} rejected with {self.http_status}"


@frozen(kw_only=True)
class SubmissionUncertain(TimedEvent):
    """A POST was sent, and it is unknown whether it was accepted and charged.

    `http_status` is None without a whole response, `task_id` None unless the response names one.
    """

    model: str
    idempotency_key: str
    attempt: int
    reason: str
    http_status: int | None = None
    request_id: str | None = field(default=None, converter=_as_id)

    def __str__(self) -> str:
        return f"submission of {self.model} uncertain: {self.reason}"


@frozen(kw_only=True)
class SubmitFailed(TimedEvent):
    """The submission ended without a task.

    `error` is the name of the exception that the caller gets; `uncertain` says whether a task may
    exist and be charged. `attempts` counts the tries, `duration` is the time of all of them.
    """

    model: str
    idempotency_key: str
    error: str
    reason: str
    uncertain: bool
    attempts: int

    def __str__(self) -> str:
        outcome = "uncertain" if self.uncertain else "not accepted"
        key = self.idempotency_key
        return f"submission of {self.model} {outcome}, with idempotency key {key}: {self.reason}"


@frozen(kw_only=True)
class TransportFailed(TimedEvent):
    """A request got no whole response: a connection error or a time limit.

    A POST has this record only if no byte of it was sent; else it is a SubmissionUncertain.
    `attempt` is the number of the POST, the poll or the download attempt, `duration` its time.
    `idempotency_key` is that of a submission, `position` that of a file among the task's results.
    """

    attempt: int
    reason: str
    idempotency_key: str | None = None
    position: int | None = None

    def __str__(self) -> str:
        return f"{self.operation} without a response: {self.reason}"


@frozen(kw_only=True)
class RetryScheduled(Event):
    """What failed is tried again after `delay` seconds; for a poll, None is the usual pause.

    `attempt` is the number of the next try. For a submission, `uncertain` says whether the last
    one may have been accepted.
    """

    attempt: int
    delay: float | None
    reason: str
    uncertain: bool = False
    idempotency_key: str | None = None
    position: int | None = None
    count: int | None = None

    def __str__(self) -> str:
        if self.operation == "submit":
            outcome = "uncertain" if self.uncertain else "not accepted"
            return f"{outcome} ({self.reason}); sent again in {self.delay:.1f} s"
        if self.operation == "download":
            return f"{_file(self)} not fetched; tried again in {self.delay:.1f} s"
        pause = "" if self.delay is None else f" after {self.delay:g} s"
        return f"{self.reason}; the wait goes on{pause}"


@frozen(kw_only=True)
class RateLimitReached(Event):
    """The API responded with 429, and all polls of the client slow down.

    `retry_after` is in seconds.
    """

    retry_after: float | None = None

    def __str__(self) -> str:
        return "rate limit reached; polls slow down"


@frozen(kw_only=True)
class PauseShortened(Event):
    """The API asks for a pause of `requested` seconds, and gets `granted` seconds."""

    requested: float
    granted: float

    def __str__(self) -> str:
        return (
            f"the API asks for a pause of {self.requested:g} s (Retry-After); polling goes on "
            f"after {self.granted:g} s, which is the longest pause that is kept"
        )


@frozen(kw_only=True)
class WaitStarted(Event):
    """A wait for a task begins, for at most `timeout` seconds.

    It ends with Completed, Failed, WaitTimedOut, WaitFailed or Interrupted.
    """

    timeout: float

    def __str__(self) -> str:
        return f"waiting for task {self.task_id}"


@frozen(kw_only=True)
class Polled(TimedEvent):
    """A poll got the state of a task.

    `number` counts the polls of this wait, `duration` is the time of this one. `progress` is in
    percent; `links` is the number of the result's links.
    """

    number: int
    status: str = field(converter=_as_name)
    progress: int | None = None
    done: bool = False
    links: int = 0
    request_id: str | None = field(default=None, converter=_as_id)

    def __str__(self) -> str:
        return f"task {self.task_id} polled: {_state(self.status, self.progress)}"


@frozen(kw_only=True)
class PollFailed(TimedEvent):
    """A poll got an error, or a response that can't be used. `retry_after` is in seconds."""

    number: int
    http_status: int
    error: str
    code: str | None = field(default=None, converter=_as_name_or_none)
    retry_after: float | None = None
    request_id: str | None = field(default=None, converter=_as_id)

    def __str__(self) -> str:
        return f"poll of task {self.task_id} failed with {self.http_status}"


@frozen(kw_only=True)
class StatusChanged(Event):
    """A wait saw another status or progress than before. `progress` is in percent."""

    status: str = field(converter=_as_name)
    progress: int | None = None

    def __str__(self) -> str:
        return f"task {self.task_id}: {_state(self.status, self.progress)}"


@frozen(kw_only=True)
class UnknownStatus(Event):
    """A status that isn't in the spec, and what it counts as: `running`, `completed`, `failed`."""

    status: str = field(converter=_as_name)
    counts_as: str

    def __str__(self) -> str:
        if self.counts_as == "running":
            return f"task {self.task_id}: unknown status {self.status!r}; the wait goes on"
        status = f"status {self.status!r} is undocumented"
        return f"task {self.task_id}: {status}, and taken for {self.counts_as}"


@frozen(kw_only=True)
class LinksMissing(Event):
    """A completed task came without links, and is asked again."""

    status: str = field(converter=_as_name)

    def __str__(self) -> str:
        return f"task {self.task_id}: {self.status} without links; asked again"


@frozen(kw_only=True)
class Completed(TimedEvent):
    """A task ended with a result.

    `polls` is how many this wait took, `duration` its time in seconds; `credits` is what the task
    cost, as far as the API said.
    """

    polls: int
    links: int
    model: str | None = field(default=None, converter=_as_name_or_none)
    credits: float | None = None
    request_id: str | None = field(default=None, converter=_as_id)

    def __str__(self) -> str:
        return f"task {self.task_id} completed with {self.links} links"


@frozen(kw_only=True)
class Failed(TimedEvent):
    """A task ended without a result; `code` is the API's failure code."""

    polls: int
    code: str | None = field(converter=_as_name_or_none)
    model: str | None = field(default=None, converter=_as_name_or_none)
    credits: float | None = None
    request_id: str | None = field(default=None, converter=_as_id)

    def __str__(self) -> str:
        return f"task {self.task_id} failed with {self.code}"


@frozen(kw_only=True)
class WaitTimedOut(TimedEvent):
    """A task had not ended after `timeout` seconds; it keeps running."""

    polls: int
    timeout: float

    def __str__(self) -> str:
        return f"task {self.task_id} had not ended after {self.timeout:g} s"


@frozen(kw_only=True)
class WaitFailed(TimedEvent):
    """The API rejected the status request, which ended the wait; the task may be running."""

    polls: int
    error: str
    reason: str

    def __str__(self) -> str:
        return f"the wait for task {self.task_id} ended: {self.reason}"


@frozen(kw_only=True)
class UploadStarted(Event):
    """A local file of a request is about to be uploaded.

    It ends with Uploaded, UploadFailed or Interrupted.
    """

    parameter: str
    path: str
    idempotency_key: str | None = None

    def __str__(self) -> str:
        return f"uploading {self.path} for {self.parameter}"


@frozen(kw_only=True)
class Uploaded(TimedEvent):
    """A local file has a link; `duration` is in seconds."""

    parameter: str
    path: str
    idempotency_key: str | None = None

    def __str__(self) -> str:
        return f"uploaded {self.path} for {self.parameter}"


@frozen(kw_only=True)
class UploadFailed(TimedEvent):
    """The uploader raised an exception, or returned no link; `error` is the exception's name."""

    parameter: str
    path: str
    error: str
    idempotency_key: str | None = None

    def __str__(self) -> str:
        return f"{self.path} for {self.parameter} not uploaded: {self.error}"


@frozen(kw_only=True)
class DownloadStarted(Event):
    """The download of a file begins: `position` of `count` results of a task.

    It ends with Saved or DownloadFailed.
    """

    position: int
    count: int

    def __str__(self) -> str:
        return f"{_file(self)} is fetched"


@frozen(kw_only=True)
class DownloadAttempted(TimedEvent):
    """A file server responded.

    `attempt` counts the requests for this file, redirects included; `size` is how many bytes of
    the file are there now.
    """

    position: int
    count: int
    attempt: int
    size: int
    http_status: int | None = None

    def __str__(self) -> str:
        return f"{_file(self)}: response {self.http_status}, {self.size} bytes"


@frozen(kw_only=True)
class Saved(TimedEvent):
    """A file is saved; `size` is in bytes, `attempts` the requests that it took."""

    position: int
    count: int
    path: str
    size: int
    attempts: int

    def __str__(self) -> str:
        return f"{_file(self)} saved as {self.path}"


@frozen(kw_only=True)
class DownloadFailed(TimedEvent):
    """A file is not saved; `error` is the name of the exception."""

    position: int
    count: int
    error: str
    attempts: int

    def __str__(self) -> str:
        return f"{_file(self)} not saved: {self.error}"


@frozen(kw_only=True)
class Interrupted(TimedEvent):
    """An interrupt, a cancellation or a callback of the user's broke an operation off.

    `error` is the name of the exception. For a submission, `maybe_sent` says whether a byte of it
    may have been sent.
    """

    error: str
    idempotency_key: str | None = None
    maybe_sent: bool | None = None

    def __str__(self) -> str:
        task = "" if self.task_id is None else f" of task {self.task_id}"
        return f"{self.operation}{task} interrupted by {self.error}"


@frozen(kw_only=True)
class ResponseAwaited(Event):
    """After an interrupt, the response to what was sent is awaited, to record it."""

    def __str__(self) -> str:
        return (
            "interrupted; waiting for the response to what was sent, to record it. "
            "Interrupt again to exit without it"
        )


@frozen(kw_only=True)
class SubmissionsUncertain(Event):
    """A batch was broken off, and these submissions may have been accepted and charged.

    `lines` are those of their jobs in the batch's input.
    """

    lines: tuple[int, ...]
    idempotency_keys: tuple[str, ...]

    def __str__(self) -> str:
        return uncertain_note(list(zip(self.lines, self.idempotency_keys, strict=True)))


def uncertain_note(submissions: Sequence[tuple[int, str]]) -> str:
    """Return a sentence that lists uncertain submissions by line and idempotency key."""
    names = ", ".join(f"line {line} (idempotency key {key})" for line, key in submissions)
    return (
        f"{len(submissions)} submissions in flight may have been accepted and charged: {names}. "
        "They are resent only with resubmit_uncertain"
    )


def _state(status: str | None, progress: int | None) -> str:
    return (status or "no status") + ("" if progress is None else f", {progress} %")


def _file(event: Any) -> str:
    return f"task {event.task_id}: result {event.position} of {event.count}"
