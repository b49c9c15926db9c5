"""How a request asks for something other than its good answer.

Headers: `Prefer: code=429` for a documented status, `X-Mock-Fault: reset` for a fault,
`X-Mock-Progression: polls=5` for the task's progression. Where headers can't be set, directives in
any text of the request do the
same: `[mock:code=429]`, `[mock:fault=reset]`, `[mock:progression=polls=5]`; and
`[mock:fail=service_error]` makes the task fail, `[mock:task-fault=…]` and `[mock:file-fault=…]`
have its queries and its files go wrong.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.failures import is_failure_code
from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet, parse_faults
from wanflow.mock.gateway.lifecycle import parse_progression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.mock.gateway.lifecycle import Progression

_PREFERENCE = re.compile(rb"(?:^|[,;])\s*code\s*=\s*\"?([0-9]{3})\"?\s*(?=[,;]|$)")
_WORD = re.compile(r"\[mock:([a-z-]{1,20})=([^\[\]]{1,200})\]", re.ASCII)
_MARK = "[mock:"


@frozen
class Directives:
    """What the words of a request ask for."""

    code: int | None = None
    failure: str | None = None
    faults: FaultSet = NO_FAULTS
    status_faults: FaultSet = NO_FAULTS
    download_faults: FaultSet = NO_FAULTS
    progression: Progression | None = None


NO_DIRECTIVES = Directives()


def prefer_code(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the status that a `Prefer` header asks for, None where it asks for none."""
    preference = headers.get(b"prefer")
    found = _PREFERENCE.search(preference) if preference is not None else None
    return int(found[1]) if found else None


def header_faults(headers: Mapping[bytes, bytes]) -> FaultSet:
    """Return the faults that an `X-Mock-Fault` header asks for.

    Raises:
        Refusal: 400, the header names no faults of the mock.
    """
    wanted = headers.get(b"x-mock-fault")
    return NO_FAULTS if wanted is None else _read(parse_faults, wanted.decode("latin-1"))


def header_progression(headers: Mapping[bytes, bytes]) -> Progression | None:
    """Return the pace that an `X-Mock-Progression` header asks for.

    Raises:
        Refusal: 400, the header names no pace of the mock.
    """
    wanted = headers.get(b"x-mock-progression")
    return None if wanted is None else _read(parse_progression, wanted.decode("latin-1"))


def parse_directives(body: Mapping[str, Any]) -> Directives:
    """Read the magic words in the texts of a request.

    Raises:
        Refusal: 400, a word is unknown or has a value that makes no sense.
    """
    texts = [text for text in body.values() if isinstance(text, str) and _MARK in text]
    if not texts:
        return NO_DIRECTIVES
    words: dict[str, str] = dict(_WORD.findall(" ".join(texts)))
    unknown = words.keys() - _WORDS.keys()
    if unknown:
        known = ", ".join(_WORDS)
        raise HTTPError(400, f"[mock:{min(unknown)}=…] is no word of the mock; it knows {known}")
    return Directives(
        **{_WORDS[word][0]: _read(_WORDS[word][1], text) for word, text in words.items()}
    )


def _read(reader: Callable[[str], Any], text: str) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise HTTPError(400, f"mock: {error}") from error


def _code(text: str) -> int:
    if not re.fullmatch(r"[1-5][0-9]{2}", text, re.ASCII):
        raise ValueError(f"a code is a status from 100 to 599, not {text!r}")
    return int(text)


def _failure(text: str) -> str:
    if not is_failure_code(text):
        raise ValueError(f"fail takes a business code such as service_error, not {text!r}")
    return text


_WORDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "code": ("code", _code),
    "fail": ("failure", _failure),
    "fault": ("fault", parse_faults),
    "task-fault": ("query", parse_faults),
    "file-fault": ("file", parse_faults),
    "progression": ("progression", parse_progression),
}
