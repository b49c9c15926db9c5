"""The documents' word on a request body: to be taken, to be refused, or either is right."""

from __future__ import annotations

import math
import re
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog import keywords
from wanflow.catalog.validator import RequestValidator, packaged_validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.violation import Violation


class Word(Enum):
    """The documents' word on a body."""

    TAKEN = "must be taken"
    REFUSED = "must be refused"
    OPEN = "may be taken or refused"


@frozen
class Verdict:
    """The word on a body, the parameters at fault, and the sentence that it rests on.

    `unknown_model` tells that the model itself is at fault: 400 and 404 are both right then;
    `too_long` that something is longer than it may be, for which sibling documents have 413;
    `broken` has each parameter at fault with the schema's keyword.
    """

    word: Word
    reason: str = ""
    parameters: frozenset[str] = frozenset()
    sentence: str = ""
    unknown_model: bool = False
    too_long: bool = False
    broken: frozenset[tuple[str, str]] = frozenset()


@frozen
class Judge:
    """Judges bodies by the schemas of one operation's models."""

    rules: RequestValidator

    def verdict(self, operation_id: str, body: Any) -> Verdict:
        """Judge a decoded body."""
        if not isinstance(body, dict):
            return Verdict(Word.REFUSED, "the body is no JSON object")
        name = body.get("model")
        model = self.rules.catalog.models.get(name) if isinstance(name, str) else None
        if model is None or model.operation_id != operation_id:
            at = frozenset({"model"})
            reason = f"the model {name!r} is none of {operation_id}"
            return Verdict(Word.REFUSED, reason, at, unknown_model=True)
        return self._of_model(model, body)

    def _of_model(self, model: Model, body: dict[str, Any]) -> Verdict:
        violations = self.rules.violations(model, body)
        hard = [one for one in violations if not _open_to_reading(one)]
        if hard:
            return Verdict(
                Word.REFUSED,
                "; ".join(one.message for one in hard),
                frozenset(one.parameter for one in violations),
                next((one.citation for one in hard if one.citation), ""),
                too_long=any(one.rule in {"maxLength", "maxItems"} for one in hard),
                broken=frozenset((one.parameter, one.rule) for one in hard),
            )
        reason = _doubt(violations, model, body)
        return Verdict(Word.OPEN, reason) if reason else Verdict(Word.TAKEN)


@cache
def packaged_judge() -> Judge:
    """Return the judge by the rules that this installation carries."""
    return Judge(packaged_validator())


_PLAIN_URL = re.compile(
    r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/%-]*)?(\?[A-Za-z0-9=&._-]*)?"
)
_PLAINLY_INSIDE = re.compile(
    r"https://([A-Za-z0-9.:-]+@)?(localhost|\[[0-9a-f:.]+\]|[0-9.]+|0x[0-9a-f]+)(:[0-9]+)?(/[A-Za-z0-9/_-]*)?",
    re.IGNORECASE,
)
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def _open_to_reading(violation: Violation) -> bool:
    """Tell whether right servers are known to disagree on a breach.

    On spellings of a URI that has a scheme; on a line break at the end, which some engines of
    regular expressions let a pattern end before; on hosts that aren't plainly inside.
    """
    value = violation.value
    if not isinstance(value, str):
        return False
    match violation.rule:
        case "format":
            return _HAS_SCHEME.match(value) is not None
        case "pattern":
            return value.endswith("\n")
        case keywords.PUBLIC_URL:
            return _PLAINLY_INSIDE.fullmatch(value) is None
        case _:
            return False


def _doubt(violations: list[Violation], model: Model, body: dict[str, Any]) -> str:
    """Say why a right server might refuse a body that breaks no rule for certain, else ''."""
    if violations:
        return "validators disagree on the format"
    extra = body.keys() - {"model", *model.parameters}
    if extra:
        return f"the documents don't speak of {min(extra, key=repr)!r}"
    return next(_oddities(body), "")


def _oddities(value: Any) -> Iterator[str]:
    """Yield what JSON allows and servers differ on: odd texts, numbers and URLs."""
    match value:
        case str():
            yield from _odd_text(value)
        case float():
            yield f"{value!r} is an integer only to JSON Schema" if math.isfinite(value) else "NaN"
        case dict() | list() if not value:
            yield "an object or a list is empty"
        case dict():
            yield from _oddities([*value, *value.values()])
        case list():
            yield from (found for inner in value for found in _oddities(inner))
        case _:
            return


def _odd_text(text: str) -> Iterator[str]:
    if not text.strip():
        yield "a text is empty or blank"
    if any(
        (ord(char) < 0x20 and char not in "\n\t\r") or 0x7F <= ord(char) < 0xA0 for char in text
    ):
        yield "a text has control characters"
    if any(0xD800 <= ord(char) < 0xE000 or (ord(char) & 0xFFFE) == 0xFFFE for char in text):
        yield "a text has what is no character"
    if "://" in text and not _PLAIN_URL.fullmatch(text):
        yield "a URL is spelled in an unusual way"
