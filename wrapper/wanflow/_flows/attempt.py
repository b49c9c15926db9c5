"""One try of a submission: its intent is written down, it is sent, its outcome is written down.

It is shielded from interrupts. One that comes before the first byte cancels it: nothing was sent,
and that is written down. One that comes later waits for the response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import define, evolve, field, frozen

from wanflow import errors
from wanflow._core import error_mapping
from wanflow._core.effects import (
    RunBlocking,
    SendCancelled,
    SendTracker,
    ShieldedFlow,
    TransportError,
    read_clock,
    run_blocking,
)
from wanflow._core.snapshot import Snapshot
from wanflow._core.submission_response import Acceptance, accepted_task, classify, is_rejection
from wanflow._flows.uncertain import no_response, unproven_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Flow, Response
    from wanflow._core.recorder import Recorder
    from wanflow._flows.prepare import PreparedRequest

Outcome: TypeAlias = "Snapshot | errors.WanflowError"
_INSIDE, _OUTSIDE = "inside", "outside"


@frozen
class SubmissionRecord:
    """How one submission is written down.

    `begin` keeps the intent, or returns the task that it already has; `hold` where its wait
    follows.
    """

    recorder: Recorder
    key: str
    server: str
    record_intent: Callable[[], Snapshot | None]
    own: bool = False

    def record_outcome(self, outcome: Outcome) -> Flow[None]:
        """Write down what came of a try.

        Raises:
            LedgerError: there is a task, and it can't be written down yet.
        """
        match outcome:
            case Snapshot():
                yield from self._accepted(outcome, hold=self.own)
            case errors.SubmitUncertain(task_id=str() as task_id):
                yield from self._accepted(Snapshot(task_id, ""), hold=False, reason=outcome.reason)
            case errors.SubmitUncertain():
                self.recorder.record_uncertain(self.key, outcome.reason)
            case _:
                yield from self._rejected(str(outcome))

    def record_interrupted(self, outcome: Outcome | None, reason: str, *, sent: bool) -> None:
        """Note what was broken off before it was written down; an outcome may not be known yet."""
        match outcome:
            case Snapshot(id=task_id) | errors.SubmitUncertain(task_id=str() as task_id):
                self.recorder.record_accepted_later(self.key, Snapshot(task_id, ""))
            case errors.WanflowError() if is_rejection(outcome):
                self.recorder.record_unsent(self.key, str(outcome))
            case _ if sent:
                self.recorder.record_uncertain(self.key, reason)
            case _:
                self.recorder.record_unsent(self.key, f"not sent: {reason}")

    def release(self, task_id: str | None) -> None:
        """Note that nobody here waits for the task."""
        if task_id is not None:
            self.recorder.release_task(self.server, task_id)

    def _accepted(self, snapshot: Snapshot, *, hold: bool, reason: str | None = None) -> Flow[None]:
        recorder, key = self.recorder, self.key
        try:
            yield from run_blocking(
                lambda: recorder.record_accepted(key, snapshot, hold=hold, reason=reason),
                recorder.submit,
            )
        except errors.LedgerError:
            recorder.record_accepted_later(key, snapshot)
            raise

    def _rejected(self, reason: str) -> Flow[None]:
        recorder, key = self.recorder, self.key
        try:
            yield from run_blocking(lambda: recorder.record_rejected(key, reason), recorder.submit)
        except errors.LedgerError:
            # What the API said is worth more to the user; the note is written when it can be.
            recorder.record_unsent(key, reason)


@define(eq=False)
class Attempt(ShieldedFlow):
    """One try, shared by two threads: the one that runs it, and the one that is interrupted.

    `recording` is True while its intent is being written, `intent_recorded` once it is; `outcome`
    is set as soon as it is known, before it is recorded. Which of
    the two threads records the outcome is decided once, by an entry in `_reporter`.
    """

    prepared: PreparedRequest
    record: SubmissionRecord | None
    tracker: SendTracker = field(factory=SendTracker)
    known: Snapshot | None = None
    outcome: Outcome | None = None
    recording: bool = False
    intent_recorded: bool = False
    _reporter: dict[str, str] = field(factory=dict[str, str])

    def run(self) -> Flow[Outcome]:
        """Send once, and record what came → the task, or the error for what came instead.

        Raises what `record_intent` raises, and LedgerError if the task can't be recorded.
        """
        outcome = None
        try:
            try:
                response: Response = yield evolve(
                    self.prepared.request, before=self._before(), tracker=self.tracker
                )
            except (SendCancelled, TransportError) as error:
                outcome = yield from self._without_response(error)
            else:
                outcome = yield from self._read(response)
            self.outcome = outcome
            if self.record is not None and self.intent_recorded and self._reports(_INSIDE):
                yield from self.record.record_outcome(outcome)
        except BaseException as error:
            if self._reports(_INSIDE):
                self._record_interrupted(error, outcome)
            raise
        return outcome

    def on_interrupt(self, error: BaseException) -> bool:
        """Cancel the request → whether nothing was sent, which is recorded."""
        unsent = self.tracker.cancel() and not self.recording and self._reports(_OUTSIDE)
        if unsent:
            self._record_interrupted(error)
        return unsent

    def _reports(self, who: str) -> bool:
        return self._reporter.setdefault("by", who) == who

    def _record_interrupted(self, error: BaseException, outcome: Outcome | None = None) -> None:
        if self.record is None or not self.intent_recorded:
            return
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.record.record_interrupted(outcome, reason, sent=self.tracker.maybe_sent)

    def _before(self) -> RunBlocking | None:
        if self.record is None:
            return None
        return RunBlocking(self._begin, self.record.recorder.submit)

    def _begin(self) -> None:
        """Write the intent down.

        Raises:
            CalledOff: there is nothing to send.
        """
        assert self.record is not None
        self.intent_recorded, self.recording = False, True
        try:
            self._stop_where_called_off()
            self.known = self.record.record_intent()
            if self.known is not None:
                raise SendCancelled("it was accepted before")
            self.intent_recorded = True
            self._stop_where_called_off()
        finally:
            self.recording = False

    def _stop_where_called_off(self) -> None:
        if self.tracker.cancelled:
            raise SendCancelled("not sent: the submission was called off")

    def _without_response(self, error: SendCancelled | TransportError) -> Flow[Outcome]:
        """Return the outcome of a request without a whole response; a part may name a task."""
        if isinstance(error, SendCancelled):
            return self.known or errors.ConnectionFailed(str(error))
        if not error.maybe_sent:
            sent = self.prepared.request.describe()
            failed = errors.ConnectionFailed(f"the API can't be reached: {error.reason} ({sent})")
            failed.__cause__ = error
            return failed
        part = self.tracker.received
        if part is None or not classify(part, self.prepared.request.content or b"").task_id:
            return no_response(self.prepared, error, part)
        return (yield from self._read(part))

    def _read(self, reply: Response) -> Flow[Outcome]:
        found = classify(reply, self.prepared.request.content or b"")
        self.prepared.state.task_id = found.task_id
        if found.acceptance is Acceptance.ACCEPTED and found.task_id is not None:
            return accepted_task(reply, found.task_id)
        now = (yield from read_clock()).wall
        error = error_mapping.api_error(reply, self.prepared.request, now=now)
        if found.acceptance is Acceptance.UNCERTAIN:
            return unproven_response(self.prepared, reply, error, found.task_id)
        return error
