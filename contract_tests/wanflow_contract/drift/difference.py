"""Differences between what the spec, the mock and the server say, and who is alone."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field

from wanflow_contract.checks.definitions.responses import SCHEMA
from wanflow_contract.checks.faulty_field import REQUEST, RESPONSE
from wanflow_contract.drift.target import JudgedResponse, wanted_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow_contract.checks.check import CheckFailed
    from wanflow_contract.drift.requests import PlannedRequest
    from wanflow_contract.drift.target import Place

NOT_SENT = "not sent: it may cost credits (--spend-limit)"
_LONGEST = 200


class Alone(StrEnum):
    """Which of the three differs from the other two."""

    SPEC = "spec"
    MOCK = "mock"
    SERVER = "server"
    NOBODY = "none: all three differ"
    UNKNOWN = "spec or mock"


@define
class Difference:
    """A place where one of the three is alone; `spec` is what the spec expects there."""

    place: str
    check: str
    alone: Alone
    spec: str
    mock: str
    server: str
    example: str
    count: int = field(default=1)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {**asdict(self), "alone": self.alone.value}


def differences(
    request: PlannedRequest, mock: Iterable[JudgedResponse], server: Iterable[JudgedResponse] | None
) -> dict[Place, Difference]:
    """Compare what both answered to the same requests; None if nothing was sent to the server.

    A place where both deviate from the spec in the same form is one where the spec is alone.
    """
    from_mock, from_server = list(mock), None if server is None else list(server)
    mine, other = _failures(from_mock), {} if from_server is None else _failures(from_server)
    found: dict[Place, Difference] = {}
    some = [*from_mock[:1], *(from_server or [])[:1]]
    for place, failure in {**mine, **other}.items():
        sent = from_server is not None
        found[place] = Difference(
            _shown(f"{place.operation} {failure.pointer or RESPONSE}", some),
            place.check,
            _alone(place, mine, other) if sent else Alone.UNKNOWN,
            _shown(_expected_value(request, failure), some),
            _shown(_value(place, mine, from_mock, failure), some),
            _shown(_value(place, other, from_server or [], failure), some) if sent else NOT_SENT,
            request.name,
        )
    return found


def _failures(responses: list[JudgedResponse]) -> dict[Place, CheckFailed]:
    return {place: one for response in responses for place, one in response.failures.items()}


def _alone(place: Place, mock: dict[Place, CheckFailed], server: dict[Place, CheckFailed]) -> Alone:
    if place in mock and place in server:
        return Alone.SPEC
    near = [one for one in (*mock, *server) if one != place and _is_near(one, place)]
    if any((one in mock) != (place in mock) for one in near):
        return Alone.NOBODY
    return Alone.MOCK if place in mock else Alone.SERVER


def _is_near(one: Place, other: Place) -> bool:
    """Return whether two deviations are of one field, and judged by the same check."""
    same = (one.operation, one.check) == (other.operation, other.check)
    return same and one.pointer == other.pointer


def _expected_value(request: PlannedRequest, failure: CheckFailed) -> str:
    """Return what the spec expects at the place of a failure."""
    if failure.pointer.startswith(REQUEST):
        return wanted_of(request.expectation) or failure.check.sentence
    if failure.check is SCHEMA:
        return failure.detail
    return failure.check.sentence


def _value(
    place: Place,
    failures: dict[Place, CheckFailed],
    responses: list[JudgedResponse],
    failure: CheckFailed,
) -> str:
    """Return what one of the two has at a place."""
    last = next((one.exchange for one in reversed(responses) if one.exchange.status), None)
    own = failures.get(place)
    pointer = failure.pointer.removeprefix(RESPONSE).strip()
    if last is not None and failure.pointer.startswith(f"{RESPONSE} /"):
        seen = [own.exchanges[-1]] if own and own.exchanges else [one.exchange for one in responses]
        values = (_at(one.decoded(), pointer) for one in seen)
        return next((repr(one) for one in values if one is not None), "absent")
    if own is not None:
        return own.detail
    return "no response" if last is None else f"status {last.status}"


def _at(body: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        if isinstance(body, list):
            body = body[0] if body else None
        else:
            body = body.get(part) if isinstance(body, dict) else None
    return body


def _shown(text: str, responses: list[JudgedResponse]) -> str:
    """Return a text without API keys, and not too long."""
    for response in responses:
        text = response.exchange.redacted(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
