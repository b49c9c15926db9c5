"""What the documents expect of a request as it was sent: its operation, type, and encoding."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.expectation import NO_JSON, Expectation, Expected, packaged_oracle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.checks.documented_responses import OperationContract

THIS_MACHINE = re.compile(
    rb'"callback_url": ?"\w*:?(//)?(localhost|0x[0-9a-f]+|[0-9]+|127[0-9.]+|\[[0-9a-f:.]+\])[:/]'
)
"""A body whose callback URL leads to this machine, which a mock may be allowed to call."""
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def expectation_of_request(
    contract: OperationContract | None,
    method: str,
    headers: Mapping[str, str],
    content: bytes | None,
) -> Expectation | None:
    """Return what is expected of a request, None if it isn't a submission."""
    if contract is None or not contract.is_submission or method != "POST":
        return None
    reason = _open_encoding(content or b"")
    if reason:
        never_valid = not _has_valid_reading(contract.id, content or b"")
        return Expectation(Expected.EITHER, reason, never_valid=never_valid)
    try:
        body = json.loads(content or b"")
    except (ValueError, RecursionError):
        return Expectation(Expected.REJECT, NO_JSON)
    expectation = packaged_oracle().expectation(contract.id, body)
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if (
        expectation.expected is Expected.ACCEPT
        and kind.partition(";")[0].strip().lower() != "application/json"
    ):
        return Expectation(Expected.EITHER, f"the content type is {kind!r}")
    return expectation


def _has_valid_reading(operation_id: str, content: bytes) -> bool:
    """Return whether some parser may read a body as a valid request."""
    for text in _texts(content):
        for pairs in (dict[str, Any], _first_values):
            try:
                body = json.loads(text, object_pairs_hook=pairs)
            except (ValueError, RecursionError):
                continue
            expectation = packaged_oracle().expectation(operation_id, body)
            if expectation.expected is not Expected.REJECT:
                return True
    return False


def _first_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def _texts(content: bytes) -> set[str]:
    """Return the texts that a body may be, by the encodings that parsers detect or assume."""
    found = {
        content.decode(encoding, errors)
        for encoding in _ENCODINGS
        for errors in ("replace", "ignore")
    }
    found |= {text.removeprefix("\ufeff") for text in found}
    return found | {
        part for text in found for part in (text.replace("\0", ""), text.split("\0")[0])
    }


def _open_encoding(content: bytes) -> str:
    """Return why JSON parsers disagree about a body, '' if they don't.

    Some replace bytes that aren't UTF-8, detect UTF-16, or ignore a byte order mark; of a name
    that occurs twice, they take the first or the last value.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "the body isn't UTF-8"
    if text.startswith("\ufeff") or "\x00" in text:
        return "the body begins with a byte order mark or has a NUL"
    repeated = list[str]()

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        repeated.extend("a name" for _ in range(len(pairs) - len(found)))
        return found

    try:
        json.loads(text, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        return ""
    return "the body has a name twice" if repeated else ""
