"""All lines are checked before the first is sent, and each becomes a named job."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve, field, frozen

from wanflow._core.discriminate import ALL_THE_SAME
from wanflow.batch.line import Fault, Line, invalid
from wanflow.errors import InvalidRequest
from wanflow.ledger.encounter import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wanflow._flows.order import Order
    from wanflow.ledger import Ledger


@frozen
class Planned:
    """A job of the batch: `name` is the same for the same job in every run, empty until `named`.

    `deprecated` lists what of it the spec will remove.
    """

    line: int
    name: str
    model: str
    body: dict[str, Any] = field(repr=False)
    content: bytes = field(repr=False)
    key: str | None = None
    deprecated: tuple[str, ...] = ()


class Checker(Protocol):
    """Checks a request and builds what would be sent."""

    def order(self, request: object | None, parameters: Mapping[str, Any]) -> Order:
        """Return what would be sent."""
        ...


def plan(checker: Checker, ledger: Ledger, lines: Iterable[Line | Fault]) -> list[Planned]:
    """Check every line, and return the jobs, those of equal keys once.

    Raises:
        InvalidBatch: something is wrong with a line; all that is wrong is listed.
    """
    faults: list[Fault] = []
    jobs: dict[str | int, Planned] = {}
    for line in lines:
        found = line if isinstance(line, Fault) else _planned(checker, line)
        faults.extend(_faults(found, jobs, ledger))
        if isinstance(found, Planned):
            jobs.setdefault(found.line if found.key is None else found.key.strip(), found)
    if faults:
        raise invalid(faults)
    return list(jobs.values())


def named(jobs: Iterable[Planned], batch: bytes, ledger: Ledger) -> list[Planned]:
    """Name the jobs that have no keys.

    Each is named after its batch, its request and how many like it come before: the same lines in
    the same batch are the same jobs, in whatever order their members are written. Earlier versions
    told orders apart, and a name of theirs that is known stays.
    """
    chosen = list(jobs)
    now = _names(chosen, batch, _ordered)
    before = _names(chosen, batch, bytes)
    known = ledger.attempts(before)
    names = (old if known.get(old) else new for old, new in zip(before, now, strict=True))
    return [
        evolve(job, name=name) if job.key is None else job
        for job, name in zip(chosen, names, strict=True)
    ]


def _names(jobs: Iterable[Planned], batch: bytes, written: Callable[[bytes], bytes]) -> list[str]:
    same: Counter[str] = Counter()
    names: list[str] = []
    for job in jobs:
        digest = sha256(batch + b"\n" + written(job.content)).hexdigest()[:24]
        same[digest] += job.key is None
        names.append(f"{digest}.{same[digest]}")
    return names


def _ordered(content: bytes) -> bytes:
    """Write a request with its members in the order of their names."""
    return json.dumps(json.loads(content), sort_keys=True).encode()


def _planned(checker: Checker, line: Line) -> Planned | list[Fault]:
    said, order = list(line.faults), None
    try:
        order = checker.order(line.body, {})
    except InvalidRequest as error:
        said += [violation.message for violation in error.violations] or [str(error)]
    if said or order is None:
        # A line is the request and nothing beside it.
        return [Fault(line.number, message.removesuffix(ALL_THE_SAME)) for message in said]
    content = order.request.content or b""
    return Planned(
        line.number,
        line.key or "",
        order.model,
        order.body,
        content,
        line.key,
        order.deprecated,
    )


def _faults(
    found: Planned | Fault | list[Fault], jobs: Mapping[str | int, Planned], ledger: Ledger
) -> Iterator[Fault]:
    match found:
        case Planned():
            yield from _clashes(found, jobs, ledger)
        case Fault():
            yield found
        case _:
            yield from found


def _clashes(job: Planned, jobs: Mapping[str | int, Planned], ledger: Ledger) -> Iterator[Fault]:
    """Find another request under the same key, in this batch or in the ledger."""
    twin = None if job.key is None else jobs.get(job.key.strip())
    if twin is not None and twin.key != job.key:
        yield Fault(job.line, f"key {job.key!r} is {twin.key!r} of line {twin.line} but for blanks")
    elif twin is not None and twin.content != job.content:
        yield Fault(job.line, f"key {job.key!r} is that of another request on line {twin.line}")
    if twin is None and job.key is not None:
        for before in ledger.named(job.name):
            if before.digest != digest_of(before.key or "", job.content):
                text = f"key {job.key!r} was used for another request before (job {before.id})"
                yield Fault(job.line, text)
                return
