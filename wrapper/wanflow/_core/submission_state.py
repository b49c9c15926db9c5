"""What is known of a submission at every moment, for whatever breaks it off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from wanflow._core.effects import SendTracker


@define(eq=False)
class SubmissionState:
    """The idempotency key of a submission, its task once there is one, and what is open.

    `tracker` is that of an attempt whose outcome isn't known yet; `uncertain` is True where an
    earlier one may have been accepted.
    """

    key: str
    task_id: str | None = None
    tracker: SendTracker | None = None
    uncertain: bool = False

    def annotate(self, error: BaseException) -> None:
        """Give an exception the key and the task's id, and say what may have become of it."""
        if isinstance(error, GeneratorExit):
            return
        known = getattr(error, "task_id", None)
        if known is None:
            error.task_id = self.task_id  # type: ignore[attr-defined]
        if isinstance(error, WanflowError):
            return
        annotated = getattr(error, "idempotency_key", None) is not None
        error.idempotency_key = self.key  # type: ignore[attr-defined]
        if self.task_id is not None:
            if known is None:
                error.add_note(f"client.task({self.task_id!r}) takes the task up again")
        elif self.maybe_accepted and not annotated:
            error.add_note(
                "a submission was in flight, and may have been accepted and charged: check the "
                f"account's usage before you submit again (idempotency key {self.key})"
            )

    @property
    def maybe_accepted(self) -> bool:
        """Whether an attempt may have been accepted whose outcome isn't known."""
        return self.uncertain or (self.tracker is not None and self.tracker.maybe_sent)
