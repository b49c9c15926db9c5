"""Faults and their text form: `reset`, `status=503,for=60`, `lognormal=0.2,1.5,drip=0.1`."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.mock.gateway.delay import check_delay, delay

if TYPE_CHECKING:
    from random import Random


class Stage(Enum):
    """When a fault applies: a delay, instead of the response, in its body, or on the socket.

    The duration isn't a fault, but says for how long those beside it apply.
    """

    DURATION = "duration"
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
_DURATION = ValueFormat("S", r"[0-9]{1,9}(\.[0-9]{1,3})?", "seconds, such as 60")
_NUMBER = r"[0-9]{1,4}(?:\.[0-9]{1,3})?"
_PERCENTILES = ValueFormat(
    "P50,P95",
    rf"{_NUMBER},{_NUMBER}",
    "the median and the 95th percentile in seconds, as in 0.2,1.5",
)
_RANGE = ValueFormat(
    "LOW,HIGH",
    rf"{_NUMBER},{_NUMBER}",
    "the shortest and the longest delay in seconds, as in 0.2,1.5",
)
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
    "uniform": FaultKind(
        Stage.DELAY, "delay the response by a random time from LOW to HIGH seconds", _RANGE
    ),
    "normal": FaultKind(
        Stage.DELAY,
        "delay the response by a normally distributed time with these percentiles",
        _PERCENTILES,
    ),
    "lognormal": FaultKind(
        Stage.DELAY,
        "delay the response by a log-normally distributed time with these percentiles",
        _PERCENTILES,
    ),
    "for": FaultKind(
        Stage.DURATION,
        "end the faults beside it S seconds of the clock after they were set",
        _DURATION,
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

    def delay(self, random: Random) -> float:
        """Return the sum of the delays, in seconds."""
        return sum(delay(one.name, one.value, random) for one in self.all if one.stage is _DELAY)

    @property
    def duration(self) -> float | None:
        """For how many seconds the faults apply, None if they don't end."""
        limit = self.at(Stage.DURATION)
        return None if limit is None else float(limit.value)

    def active(self, since: float, now: float) -> FaultSet:
        """Return the faults, none if they were set at a time since which they have ended."""
        limit = self.duration
        return self if limit is None or now < since + limit else NO_FAULTS

    def __str__(self) -> str:
        return ",".join(str(fault) for fault in self.all)


_DELAY = Stage.DELAY
NO_FAULTS = FaultSet()
_COMMA = re.compile(r",(?! *[0-9.-]+ *(?:,|$))", re.ASCII)


def parse_faults(text: str) -> FaultSet:
    """Parse faults, separated by commas.

    Raises:
        ValueError: a name is unknown, or a value is invalid.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"faults must have at most {MAX_LENGTH} characters")
    faults = FaultSet(tuple(_fault(part.strip()) for part in _COMMA.split(text)))
    durations = [fault for fault in faults.all if fault.stage is Stage.DURATION]
    if len(durations) > 1 or len(durations) == len(faults.all):
        raise ValueError(f"for=S limits the faults beside it; write it once, not {text!r}")
    return faults


def parse_single_faults(text: str) -> FaultSet:
    """Parse faults of a single request, which have no duration.

    Raises:
        ValueError: as of `parse_faults`, or there is a duration.
    """
    faults = parse_faults(text)
    if faults.duration is not None:
        raise ValueError("for=S limits rules, and faults of a task; a single request has no time")
    return faults


def parse_latency(text: str | None) -> FaultSet:
    """Parse the delays of all responses, None for no delay.

    Raises:
        ValueError: the text isn't valid, or has other faults than delays.
    """
    faults = NO_FAULTS if text is None else parse_faults(text)
    other = [fault.name for fault in faults.all if fault.stage is not Stage.DELAY]
    if other:
        known = ", ".join(
            syntax(name) for name, kind in FAULT_KINDS.items() if kind.stage is _DELAY
        )
        raise ValueError(f"a latency is {known}, not {text!r}")
    return faults


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
    if kind.stage is Stage.DELAY:
        check_delay(name, value)
    return Fault(name, value)


def syntax(name: str) -> str:
    """Return the text form of a fault, such as `latency=S`."""
    value_format = FAULT_KINDS[name].value_format
    return name if value_format is None else f"{name}={value_format.placeholder}"
