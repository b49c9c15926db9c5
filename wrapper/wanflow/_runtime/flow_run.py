"""A running flow, neither sync nor async: its current effect, and its result in the end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wanflow._core.effects import Finish, Yield

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow._core.effects import Effect, Flow

T = TypeVar("T")


class FlowRun(Generic[T]):
    """A flow, step by step. `effect` is None once it has ended; then `value` is its result.

    What the flow raises leaves the step that made it do so.
    """

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self.result: T | None = None
        self.effect: Effect | None = None
        self.send(None)

    def send(self, outcome: Any) -> None:
        """Send the outcome of its effect into the flow."""
        try:
            self.effect = self._flow.send(outcome)
        except StopIteration as end:
            self._end(end)

    def perform(self, functions: Mapping[type, Callable[[Any], Any]]) -> bool:
        """Perform effects by the functions of their classes → whether another one is next.

        False when the flow yields a value or has ended.
        """
        send = self._flow.send
        while (function := functions.get(type(self.effect))) is not None:
            try:
                outcome = function(self.effect)
            except BaseException as error:
                self.throw(error)
                continue
            try:
                self.effect = send(outcome)
            except StopIteration as end:
                self._end(end)
        return self.effect is not None and not isinstance(self.effect, Yield)

    def throw(self, error: BaseException) -> None:
        """Raise the error of its effect in the flow."""
        try:
            self.effect = self._flow.throw(error)
        except StopIteration as end:
            self._end(end)

    def abandon(self, error: BaseException, functions: Mapping[type, Callable[[Any], Any]]) -> None:
        """Let the flow know, wherever it is, what broke it off; only `functions` are performed.

        The flows that it has spawned have ended.
        """
        trace = error.__traceback__
        with suppress(BaseException):
            self.throw(error)
            self.perform(functions)
            if isinstance(self.effect, Finish):
                self.send(None)
                self.perform(functions)
        error.__traceback__ = trace
        self._flow.close()

    def close(self) -> None:
        """Stop the flow wherever it is."""
        self._flow.close()

    def _end(self, end: StopIteration) -> None:
        self.effect, self.result = None, end.value
