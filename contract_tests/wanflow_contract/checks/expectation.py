"""What the documents expect of a request body: accepted, rejected, or either."""

from __future__ import annotations

import math
import re
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog import keywords
from wanflow.catalog.document import is_array, is_object
from wanflow.catalog.validator import RequestValidator, packaged_validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.violation import Violation


NO_JSON = "the body isn't JSON"
"""The reason of an expectation for a body that can't be parsed."""


class Expected(Enum):
    """What a correct server does with a request."""

    ACCEPT = "must be accepted"
    REJECT = "must be rejected"
    EITHER = "may be accepted or rejected"


@frozen
class Expectation:
    """What is expected for a body, why, and for which parameters.

    `citation` is the sentence of the documents. With `unknown_model`, 400 and 404 are both correct;
    with `too_long` also 413, which sibling documents use. `violated` has each invalid parameter
    with the keyword of its schema that it violates. With `never_valid`, any refusal is correct, and
    nothing else is.
    """

    expected: Expected
    reason: str = ""
    parameters: frozenset[str] = frozenset()
    citation: str = ""
    unknown_model: bool = False
    too_long: bool = False
    violated: frozenset[tuple[str, str]] = frozenset()
    never_valid: bool = False


@frozen
class RequestOracle:
    """Decides by the schemas what is expected for a request body."""

    rules: RequestValidator

    def expectation(self, operation_id: str, body: Any) -> Expectation:
        """Return what is expected for a decoded body sent to an operation."""
        if not is_object(body):
            return Expectation(Expected.REJECT, "the body is not a JSON object")
        name = body.get("model")
        model = self.rules.catalog.models.get(name) if isinstance(name, str) else None
        if model is None or model.operation_id != operation_id:
            at = frozenset({"model"})
            reason = f"{name!r} is not a model of {operation_id}"
            return Expectation(Expected.REJECT, reason, at, unknown_model=True)
        return self._of_model(model, body)

    def causes(self, operation_id: str, body: dict[str, Any]) -> frozenset[str]:
        """Return the parameters that a refusal of a body may name: invalid, missing or unknown.

        So it may those whose value not every server accepts. The model is among them if it is wrong
        itself, or if what is wrong with the others isn't wrong for each model of the operation. A
        part of a parameter may be named without it. If the body names no model, each one of the
        operation gives causes.
        """
        models = [
            one for one in self.rules.catalog.models.values() if one.operation_id == operation_id
        ]
        named = [one for one in models if one.name == body.get("model")]
        found = (
            set[str]()
            if named and not self._depends_on_model(named[0], models, body)
            else {"model"}
        )
        for model in named or models:
            found |= _unknown(model, body)
            within = _unknown_parts(model.parameters, body)
            found |= {name for path in within for name in path.split(".")}
            found |= {str(name) for name, value in body.items() if any(_ambiguities(value))}
            violations = self._violations(model, body)
            found |= {one.parameter for one in violations}
            found |= {part for one in violations for part in _parts(one, body)}
        return frozenset(found)

    def _violations(self, model: Model, body: dict[str, Any]) -> list[Violation]:
        """Return what a body for a model violates, whichever model it names."""
        return self.rules.violations(model, {**body, "model": model.name})

    def _depends_on_model(self, model: Model, others: list[Model], body: dict[str, Any]) -> bool:
        """Return whether something in a body is wrong for its model, but not so for another."""
        faults = [
            {(one.pointer, one.message) for one in self._violations(each, body)}
            | {(name, "") for name in _unknown(each, body)}
            for each in (model, *others)
        ]
        return any(not faults[0] <= other for other in faults)

    def _of_model(self, model: Model, body: dict[str, Any]) -> Expectation:
        violations = self.rules.violations(model, body)
        hard = [one for one in violations if not _is_debatable(one)]
        if hard:
            return Expectation(
                Expected.REJECT,
                "; ".join(one.message for one in hard),
                frozenset(one.parameter for one in violations),
                next((one.citation for one in hard if one.citation), ""),
                too_long=any(one.rule in {"maxLength", "maxItems"} for one in hard),
                violated=frozenset((one.parameter, one.rule) for one in hard),
            )
        reason = _open_reason(violations, model, body)
        return Expectation(Expected.EITHER, reason) if reason else Expectation(Expected.ACCEPT)


def _unknown(model: Model, body: dict[str, Any]) -> set[str]:
    return {str(name) for name in body if name not in {"model", *model.parameters}}


def _unknown_parts(rules: Mapping[str, Any], sent: dict[str, Any]) -> Iterator[str]:
    """Yield the undocumented names within parameters that are objects."""
    for name, rule in rules.items():
        parts, value = rule.get("properties"), sent.get(name)
        if parts and is_object(value):
            yield from (f"{name}.{part}" for part in value if part not in parts)
            yield from (f"{name}.{part}" for part in _unknown_parts(parts, value))


def _parts(violation: Violation, body: dict[str, Any]) -> Iterator[str]:
    """Yield the names within an invalid parameter: of what is violated, and of all that is sent."""
    yield from (part for part in violation.pointer.split("/")[2:] if not part.isdigit())
    sent = body.get(violation.parameter)
    yield from map(str, sent if is_object(sent) else ())


@cache
def packaged_oracle() -> RequestOracle:
    """Return the oracle of the packaged spec."""
    return RequestOracle(packaged_validator())


_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_PORT = "[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_PLAIN_URL = re.compile(
    rf"https?://{_LABEL}([.]{_LABEL})*[.]?(:({_PORT}))?"
    r"(/[A-Za-z0-9._~/%-]*)?(\?([A-Za-z0-9=&._~-]|%[0-9A-Fa-f]{2})*)?"
)
_CLEARLY_INTERNAL = re.compile(
    r"https://([A-Za-z0-9.:-]+@)?(localhost|\[[0-9a-f:.]+\]|[0-9.]+|0x[0-9a-f]+)(:[0-9]+)?(/[A-Za-z0-9/_-]*)?",
    re.IGNORECASE,
)
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LAST_OF_PLANES = "".join(
    chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_NO_CHARACTER = re.compile(f"[\ud800-\udfff{_LAST_OF_PLANES}]")


def _is_debatable(violation: Violation) -> bool:
    """Return whether correct servers are known to disagree about a violation.

    They disagree about unusual URIs that have a scheme, about a line break at the end, which some
    regular expression engines ignore, and about hosts that aren't clearly internal.
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
            return _CLEARLY_INTERNAL.fullmatch(value) is None
        case _:
            return False


def _open_reason(violations: list[Violation], model: Model, body: dict[str, Any]) -> str:
    """Return why a correct server might reject a body without a clear violation, else ''."""
    if violations:
        return "validators disagree on the format"
    extra = [*_unknown(model, body), *_unknown_parts(model.parameters, body)]
    if extra:
        return f"the documents don't mention {min(extra)!r}"
    return next(_ambiguities(body), "")


def _ambiguities(body: Any) -> Iterator[str]:
    """Yield what JSON allows but servers treat differently: unusual texts, numbers and URLs."""
    for value in _values(body):
        match value:
            case str():
                yield from _ambiguous_text(value)
            case float() if math.isfinite(value):
                yield f"{value!r} is an integer only for JSON Schema"
            case float():
                yield "NaN"
            case dict() | list() if not value:
                yield "an object or a list is empty"
            case _:
                pass


def _values(body: Any) -> Iterator[Any]:
    """Yield each value and each name of a body; some are nested deeper than calls may be."""
    left = [body]
    while left:
        yield (value := left.pop())
        if is_object(value):
            left += reversed([*value, *value.values()])
        elif is_array(value):
            left += reversed(value)


def _ambiguous_text(text: str) -> Iterator[str]:
    if not text.strip():
        yield "a text is empty or blank"
    if _CONTROL.search(text):
        yield "a text has control characters"
    if _NO_CHARACTER.search(text):
        yield "a text has a code point that is not a character"
    is_url = "://" in text or text.startswith(("http:", "https:"))
    if is_url and not _PLAIN_URL.fullmatch(text):
        yield "a URL has an unusual form"
