"""Headers and prompt directives by which a request sets faults and progression.

Headers: `Prefer: code=429` for a documented status, `X-Mock-Fault: reset` for a fault,
`X-Mock-Progression: polls=5` for the task's progression. Directives in any string of the request do
the same: `[mock:code=429]`, `[mock:fault=reset]`, `[mock:progression=polls=5]`. In addition,
`[mock:fail=service_error]` makes the task fail; `[mock:status-fault=…]` and
`[mock:download-fault=…]` inject faults into its status requests and downloads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.failures import is_failure_code
from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet, parse_faults, parse_single_faults
from wanflow.mock.gateway.lifecycle import parse_progression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.mock.gateway.lifecycle import Progression

_PREFER = re.compile(rb"(?:^|[,;])\s*code\s*=\s*\"?([0-9]{3})\"?\s*(?=[,;]|$)")
_DIRECTIVE = re.compile(r"\[mock:([a-z-]{1,20})=([^\[\]]{1,200})\]", re.ASCII)
_MARK = "[mock:"


@frozen
class Directives:
    """The directives of a request."""

    code: int | None = None
    failure: str | None = None
    failure_detail: str = ""
    faults: FaultSet = NO_FAULTS
    status_faults: FaultSet = NO_FAULTS
    download_faults: FaultSet = NO_FAULTS
    progression: Progression | None = None


NO_DIRECTIVES = Directives()


def prefer_code(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the status in a `Prefer` header, None if there is none."""
    preference = headers.get(b"prefer")
    found = _PREFER.search(preference) if preference is not None else None
    return int(found[1]) if found else None


def header_faults(headers: Mapping[bytes, bytes]) -> FaultSet:
    """Return the faults in an `X-Mock-Fault` header.

    Raises:
        HTTPError: 400, the header has an unknown fault.
    """
    value = headers.get(b"x-mock-fault")
    return NO_FAULTS if value is None else _parse(parse_single_faults, value.decode("latin-1"))


def header_progression(headers: Mapping[bytes, bytes]) -> Progression | None:
    """Return the progression in an `X-Mock-Progression` header.

    Raises:
        HTTPError: 400, the header has an invalid progression.
    """
    value = headers.get(b"x-mock-progression")
    return None if value is None else _parse(parse_progression, value.decode("latin-1"))


def parse_directives(body: Mapping[str, Any]) -> Directives:
    """Parse the directives in the strings of a request.

    Raises:
        HTTPError: 400, a directive is unknown or has an invalid value.
    """
    texts = [text for text in body.values() if isinstance(text, str) and _MARK in text]
    if not texts:
        return NO_DIRECTIVES
    directives: dict[str, str] = dict(_DIRECTIVE.findall(" ".join(texts)))
    unknown = directives.keys() - _DIRECTIVES.keys()
    if unknown:
        known = ", ".join(_DIRECTIVES)
        raise HTTPError(400, f"unknown directive [mock:{min(unknown)}=…]; directives are {known}")
    return Directives(
        **{
            _DIRECTIVES[name][0]: _parse(_DIRECTIVES[name][1], text)
            for name, text in directives.items()
        }
    )


def _parse(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise HTTPError(400, f"mock: {error}") from error


def _code(text: str) -> int:
    if not re.fullmatch(r"[1-5][0-9]{2}", text, re.ASCII):
        raise ValueError(f"code must be a status from 100 to 599, not {text!r}")
    return int(text)


def _failure(text: str) -> str:
    if not is_failure_code(text):
        raise ValueError(f"fail must be an error code such as service_error, not {text!r}")
    return text


_DIRECTIVES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "code": ("code", _code),
    "fail": ("failure", _failure),
    "fault": ("faults", parse_single_faults),
    "status-fault": ("status_faults", parse_faults),
    "download-fault": ("download_faults", parse_faults),
    "progression": ("progression", parse_progression),
}
