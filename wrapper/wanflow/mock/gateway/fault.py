"""What can go wrong on purpose, as it is written: `reset`, `status=503`, `latency=0.2,drip=0.1`."""

from __future__ import annotations

import re
from enum import Enum

from attrs import frozen


class Stage(Enum):
    """When a fault strikes: as a pause, instead of the work, on the answer, or on its way."""

    DELAY = "pause"
    INSTEAD_OF_RESPONSE = "instead"
    RESPONSE_BODY = "answer"
    SOCKET = "wire"


@frozen
class ValueFormat:
    """A fault's value: what stands for it, how it is written, and what it is in words."""

    placeholder: str
    pattern: str
    description: str


@frozen
class FaultKind:
    """A fault by its stage, what it does, and the value that it takes, if any."""

    stage: Stage
    effect: str
    value_format: ValueFormat | None = None


_SECONDS = ValueFormat("S", r"[0-9]{1,4}(\.[0-9]{1,3})?", "seconds, such as 0.2")
_STATUS = ValueFormat("NNN", r"[2-5][0-9]{2}", "a status from 200 to 599, such as 503")
_FIELD = ValueFormat(
    "FIELD", r"[A-Za-z0-9_.]{1,64}", "a field's name, such as results or error.code"
)
_BYTES = ValueFormat("N", r"-?[1-9][0-9]{0,5}", "a number of bytes, such as 10 or -10")

FAULT_KINDS = {
    "latency": FaultKind(Stage.DELAY, "answer so many seconds later", _SECONDS),
    "jitter": FaultKind(Stage.DELAY, "answer up to so many seconds later, by chance", _SECONDS),
    "status": FaultKind(
        Stage.INSTEAD_OF_RESPONSE, "answer with this status, documented or not", _STATUS
    ),
    "html": FaultKind(Stage.INSTEAD_OF_RESPONSE, "answer 200 with a page of HTML"),
    "reset": FaultKind(Stage.INSTEAD_OF_RESPONSE, "reset the connection before any work or answer"),
    "empty": FaultKind(Stage.INSTEAD_OF_RESPONSE, "close the connection without an answer"),
    "stall": FaultKind(Stage.INSTEAD_OF_RESPONSE, "never answer, and keep the connection open"),
    "lost-task": FaultKind(Stage.INSTEAD_OF_RESPONSE, "know nothing of the task (404)"),
    "truncated": FaultKind(Stage.RESPONSE_BODY, "cut the JSON in the middle"),
    "garbled": FaultKind(Stage.RESPONSE_BODY, "write the JSON with the wrong quotes"),
    "unknown-enum": FaultKind(Stage.RESPONSE_BODY, "say a status that the document doesn't have"),
    "missing": FaultKind(Stage.RESPONSE_BODY, "leave this field out", _FIELD),
    "null": FaultKind(Stage.RESPONSE_BODY, "give this field the value null", _FIELD),
    "backwards": FaultKind(Stage.RESPONSE_BODY, "tell of the task as it was before"),
    "lost-answer": FaultKind(Stage.SOCKET, "do the work, then reset instead of answering"),
    "reset-after-headers": FaultKind(Stage.SOCKET, "reset once the headers are sent"),
    "reset-in-body": FaultKind(Stage.SOCKET, "reset once half of the body is sent"),
    "stall-in-body": FaultKind(Stage.SOCKET, "stop for ever once half of the body is sent"),
    "wrong-length": FaultKind(Stage.SOCKET, "announce so many bytes too many", _BYTES),
    "drip": FaultKind(
        Stage.SOCKET, "send the body in 20 pieces, with such a pause between", _SECONDS
    ),
}
MAX_LENGTH = 300


@frozen
class Fault:
    """One thing to go wrong: its name among `KINDS`, and its value, empty for those without."""

    name: str
    value: str = ""

    @property
    def stage(self) -> Stage:
        """When it strikes."""
        return FAULT_KINDS[self.name].stage

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.value else self.name


@frozen
class FaultSet:
    """What goes wrong with one exchange, in the order of writing."""

    all: tuple[Fault, ...] = ()

    def at(self, stage: Stage) -> Fault | None:
        """Return the first fault of a stage."""
        return next((fault for fault in self.all if fault.stage is stage), None)

    def seconds(self, name: str) -> float:
        """Return a pause in seconds, 0 where none is wanted."""
        return sum(float(fault.value) for fault in self.all if fault.name == name)

    def __str__(self) -> str:
        return ",".join(str(fault) for fault in self.all)


NO_FAULTS = FaultSet()


def parse_faults(text: str) -> FaultSet:
    """Read faults, separated by commas.

    Raises:
        ValueError: a name is unknown, or a value isn't what its fault takes.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"faults are written in at most {MAX_LENGTH} characters")
    return FaultSet(tuple(_fault(part.strip()) for part in text.split(",")))


def _fault(text: str) -> Fault:
    name, _, value = text.partition("=")
    kind = FAULT_KINDS.get(name)
    if kind is None:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(FAULT_KINDS)}")
    takes = kind.value_format
    if takes is None and value:
        raise ValueError(f"the fault {name} takes no value; write {name}, not {text!r}")
    if takes is not None and not re.fullmatch(takes.pattern, value, re.ASCII):
        where = f"where {takes.placeholder} is {takes.description}"
        raise ValueError(f"of the fault {name} write {syntax(name)}, {where}; not {text!r}")
    return Fault(name, value)


def syntax(name: str) -> str:
    """Return how a fault is written, such as `latency=S`."""
    takes = FAULT_KINDS[name].value_format
    return name if takes is None else f"{name}={takes.placeholder}"
