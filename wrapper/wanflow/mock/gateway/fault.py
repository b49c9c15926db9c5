"""Faults and their text form: `reset`, `status=503`, `latency=0.2,drip=0.1`."""

from __future__ import annotations

import re
from enum import Enum

from attrs import frozen


class Stage(Enum):
    """When a fault applies: a delay, instead of the response, in its body, or on the socket."""

    DELAY = "delay"
    INSTEAD_OF_RESPONSE = "instead of response"
    RESPONSE_BODY = "response body"
    SOCKET = "socket"


@frozen
class ValueFormat:
    """A fault's value: its placeholder, its pattern and a description."""

    placeholder: str
    pattern: str
    description: str


@frozen
class FaultKind:
    """A kind of fault: its stage, its effect, and the format of its value, if it has one."""

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
    "latency": FaultKind(Stage.DELAY, "delay the response by S seconds", _SECONDS),
    "jitter": FaultKind(
        Stage.DELAY, "delay the response by a random time of up to S seconds", _SECONDS
    ),
    "status": FaultKind(
        Stage.INSTEAD_OF_RESPONSE, "respond with status NNN, documented or not", _STATUS
    ),
    "html": FaultKind(Stage.INSTEAD_OF_RESPONSE, "respond with status 200 and an HTML page"),
    "reset": FaultKind(
        Stage.INSTEAD_OF_RESPONSE, "reset the connection before the request is handled"
    ),
    "empty": FaultKind(Stage.INSTEAD_OF_RESPONSE, "close the connection without a response"),
    "stall": FaultKind(Stage.INSTEAD_OF_RESPONSE, "send no response, and keep the connection open"),
    "task-not-found": FaultKind(
        Stage.INSTEAD_OF_RESPONSE, "respond that the task is unknown (404)"
    ),
    "truncated": FaultKind(Stage.RESPONSE_BODY, "send only the first half of the JSON"),
    "garbled": FaultKind(Stage.RESPONSE_BODY, "send the JSON with single quotes"),
    "unknown-status": FaultKind(Stage.RESPONSE_BODY, "send a task status that isn't in the spec"),
    "missing": FaultKind(Stage.RESPONSE_BODY, "leave out a field", _FIELD),
    "null": FaultKind(Stage.RESPONSE_BODY, "set a field to null", _FIELD),
    "regress": FaultKind(Stage.RESPONSE_BODY, "send an earlier state of the task"),
    "lost-response": FaultKind(Stage.SOCKET, "handle the request, then reset without a response"),
    "reset-after-headers": FaultKind(Stage.SOCKET, "reset after the headers"),
    "reset-in-body": FaultKind(Stage.SOCKET, "reset after half of the body"),
    "stall-in-body": FaultKind(Stage.SOCKET, "send half of the body, then nothing more"),
    "wrong-length": FaultKind(Stage.SOCKET, "send a Content-Length that is N too large", _BYTES),
    "drip": FaultKind(Stage.SOCKET, "send the body in 20 chunks, S seconds apart", _SECONDS),
}
MAX_LENGTH = 300


@frozen
class Fault:
    """One fault: its name in `FAULT_KINDS`, and its value, empty if it takes none."""

    name: str
    value: str = ""

    @property
    def stage(self) -> Stage:
        """When it applies."""
        return FAULT_KINDS[self.name].stage

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.value else self.name


@frozen
class FaultSet:
    """The faults of one request, in the order of the text."""

    all: tuple[Fault, ...] = ()

    def at(self, stage: Stage) -> Fault | None:
        """Return the first fault of a stage."""
        return next((fault for fault in self.all if fault.stage is stage), None)

    def seconds(self, name: str) -> float:
        """Return the sum of the values of a fault, in seconds."""
        return sum(float(fault.value) for fault in self.all if fault.name == name)

    def __str__(self) -> str:
        return ",".join(str(fault) for fault in self.all)


NO_FAULTS = FaultSet()


def parse_faults(text: str) -> FaultSet:
    """Parse faults, separated by commas.

    Raises:
        ValueError: a name is unknown, or a value is invalid.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"faults must have at most {MAX_LENGTH} characters")
    return FaultSet(tuple(_fault(part.strip()) for part in text.split(",")))


def _fault(text: str) -> Fault:
    name, _, value = text.partition("=")
    kind = FAULT_KINDS.get(name)
    if kind is None:
        raise ValueError(f"unknown fault {name!r}; faults are {', '.join(FAULT_KINDS)}")
    value_format = kind.value_format
    if value_format is None and value:
        raise ValueError(f"the fault {name} takes no value; write {name}, not {text!r}")
    if value_format is not None and not re.fullmatch(value_format.pattern, value, re.ASCII):
        where = f"where {value_format.placeholder} is {value_format.description}"
        raise ValueError(f"fault {name}: write {syntax(name)}, {where}, not {text!r}")
    return Fault(name, value)


def syntax(name: str) -> str:
    """Return the text form of a fault, such as `latency=S`."""
    value_format = FAULT_KINDS[name].value_format
    return name if value_format is None else f"{name}={value_format.placeholder}"
