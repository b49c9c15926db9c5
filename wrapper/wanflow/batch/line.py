"""A batch before anything is sent: its lines, and all that is wrong with them."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from wanflow.errors import InvalidRequest


@frozen
class Line:
    """One line of a batch: its number (from 1), the request, and the user's key for the job.

    `faults` is what was wrong with it before it became a request, which is checked all the same.
    """

    number: int
    body: dict[str, Any] = field(repr=False)
    key: str | None = None
    faults: tuple[str, ...] = ()


@frozen
class Fault:
    """What is wrong with one line."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class InvalidBatch(InvalidRequest):
    """Lines of the batch are wrong, and nothing was sent; `faults` has all of them, by line."""

    def __init__(self, message: str, *, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


def invalid(faults: list[Fault]) -> InvalidBatch:
    """Make the error that lists all faults."""
    ordered = tuple(sorted(faults, key=lambda fault: fault.line))
    lines = len({fault.line for fault in ordered})
    text = "\n".join(f"  {fault}" for fault in ordered)
    return InvalidBatch(
        f"{lines} of the batch's lines are wrong, and nothing was sent:\n{text}", faults=ordered
    )
