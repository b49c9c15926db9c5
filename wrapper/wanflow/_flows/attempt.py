"""One try of a submission: its intent is written down, it is sent, its outcome is written down.

It is played under a shield. An interrupt before the first byte calls it off, and then nothing was
sent, which is written down; one that comes later waits for the response.
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
    TransportError,
    read_clock,
    run_blocking,
    shield,
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
                recorder.run_in_transaction,
            )
        except errors.LedgerError:
            recorder.record_accepted_later(key, snapshot)
            raise

    def _rejected(self, reason: str) -> Flow[None]:
        recorder, key = self.recorder, self.key
        try:
            yield from run_blocking(
                lambda: recorder.record_rejected(key, reason), recorder.run_in_transaction
            )
        except errors.LedgerError:
            # What the API said is worth more to the user; the note is written when it can be.
            recorder.record_unsent(key, reason)


@define(eq=False)
class Attempt:
    """One try, which threads share: that which plays it, and that which is interrupted.

    `recording` is True while its intent is being written, `intent_recorded` once it is. Which of
    the two threads reports the outcome is decided once, by an entry in `_reporter`.
    """

    prepared: PreparedRequest
    record: SubmissionRecord | None
    tracker: SendTracker = field(factory=SendTracker)
    known: Snapshot | None = None
    recording: bool = False
    intent_recorded: bool = False
    _reporter: dict[str, str] = field(factory=dict[str, str])

    def run(self) -> Flow[Outcome]:
        """Send once → the task, or the error that stands for what came instead.

        Raises what the entry's `begin` does, and LedgerError where a task can't be written down.
        """
        self.prepared.state.tracker = self.tracker
        try:
            outcome = yield from shield(self._recorded(), self._leave)
        except BaseException as error:
            if self._reporter.get("by") == _OUTSIDE:
                self._broken_off(error)
            raise
        self.prepared.state.tracker = None
        return outcome

    def _leave(self) -> bool:
        """Cancel it → whether nobody needs to wait for the rest of it."""
        off = self.tracker.cancel()
        return off and not self.recording and self._reports(_OUTSIDE)

    def _reports(self, who: str) -> bool:
        return self._reporter.setdefault("by", who) == who

    def _recorded(self) -> Flow[Outcome]:
        outcome = None
        try:
            outcome = yield from self._exchange()
            if self.record is not None and self.intent_recorded and self._reports(_INSIDE):
                yield from self.record.record_outcome(outcome)
        except BaseException as error:
            if self._reports(_INSIDE):
                self._broken_off(error, outcome)
            raise
        return outcome

    def _broken_off(self, error: BaseException, outcome: Outcome | None = None) -> None:
        if self.record is None or not self.intent_recorded:
            return
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.record.record_interrupted(outcome, reason, sent=self.tracker.maybe_sent)

    def _exchange(self) -> Flow[Outcome]:
        entry = self.record
        before = (
            None if entry is None else RunBlocking(self._begin, entry.recorder.run_in_transaction)
        )
        try:
            reply: Response = yield evolve(
                self.prepared.request, before=before, tracker=self.tracker
            )
        except SendCancelled as off:
            return self.known or errors.ConnectionFailed(str(off))
        except TransportError as fault:
            if fault.maybe_sent:
                return (yield from self._read_part(fault))
            return errors.ConnectionFailed(f"the API can't be reached: {fault.reason}")
        return (yield from self._read(reply))

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

    def _read_part(self, fault: TransportError) -> Flow[Outcome]:
        """Read what came of a response that broke off: a response, if it names a task."""
        part = self.tracker.received
        if part is None or not classify(part, self.prepared.request.content or b"").task_id:
            return no_response(self.prepared, fault, part)
        return (yield from self._read(part))

    def _read(self, reply: Response) -> Flow[Outcome]:
        found = classify(reply, self.prepared.request.content or b"")
        self.prepared.state.task_id = found.task_id
        if found.acceptance is Acceptance.ACCEPTED and found.task_id is not None:
            return accepted_task(reply, found.task_id)
        error = error_mapping.api_error(reply, now=(yield from read_clock()).wall)
        if found.acceptance is Acceptance.UNCERTAIN:
            return unproven_response(self.prepared, reply, error, found.task_id)
        return error
