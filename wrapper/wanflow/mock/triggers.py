"""How a request asks for something other than its good answer.

`Prefer: code=429` asks for a documented status. Where headers can't be set, words in any text of
the request do: `[mock:code=429]`, and `[mock:fail=service_error]` for a task that fails.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.mock.failures import is_code
from wanflow.mock.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFERENCE = re.compile(rb"(?:^|[,;])\s*code\s*=\s*\"?([0-9]{3})\"?\s*(?=[,;]|$)")
_WORD = re.compile(r"\[mock:([a-z]+)=([A-Za-z0-9_.-]{1,64})\]", re.ASCII)
_MARK = "[mock:"


@frozen
class Wishes:
    """What the words of a request ask for."""

    code: int | None = None
    failure: str | None = None


_NONE = Wishes()


def preferred_code(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the status that a `Prefer` header asks for, None where it asks for none."""
    preference = headers.get(b"prefer")
    found = _PREFERENCE.search(preference) if preference is not None else None
    return int(found[1]) if found else None


def wishes_of(body: Mapping[str, Any]) -> Wishes:
    """Read the magic words in the texts of a request.

    Raises:
        Refusal: 400, a word is unknown or has a value that makes no sense.
    """
    texts = [text for text in body.values() if isinstance(text, str) and _MARK in text]
    if not texts:
        return _NONE
    words = dict(_WORD.findall(" ".join(texts)))
    unknown = words.keys() - {"code", "fail"}
    if unknown:
        raise Refusal(400, f"[mock:{min(unknown)}=…] is no word of the mock; it knows code, fail")
    return Wishes(_code(words.get("code")), _failure(words.get("fail")))


def _code(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-5][0-9]{2}", text):
        raise Refusal(400, f"[mock:code={text}] must have a status from 100 to 599")
    return int(text)


def _failure(text: str | None) -> str | None:
    if text is not None and not is_code(text):
        raise Refusal(400, f"[mock:fail={text}] must have a business code such as service_error")
    return text
