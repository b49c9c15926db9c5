"""Findings: the failed checks of a run, each reported once and without API keys."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve, field, frozen

from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.findings.shape import shape_of
from wanflow_contract.support.exchange import key_variants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow_contract.support.exchange import Exchange

NEW, KNOWN, NOTE = "new", "known", "note"
_MOST_TESTS = 200
_MOST_BYTES = 65536


@frozen
class ShownExchange:
    """A request and its response without API keys, complete enough to send the request again.

    `sent` and `content` are the bodies as text, or in base64 if `sent_binary` or `content_binary`;
    `content` is cut after 64 KiB, and `content_length` is its whole length in bytes.
    """

    method: str
    url: str
    path: str
    request_headers: list[list[str]]
    sent: str
    sent_binary: bool
    status: int
    headers: list[list[str]]
    content: str
    content_binary: bool
    content_length: int
    curl: str


@frozen
class Finding:
    """A failed check, with the first case that showed it, and how often it was seen.

    `id` is the same in every run in which the same check fails for the same operation, field and
    shape. `kind` is "new", "known" (by the baseline) or "note". `reproduced` is False if the test
    passed when it was repeated. `tests` are the tests that found it, 200 at most.
    """

    id: str
    check: str
    sentence: str
    cites: str
    operation: str
    pointer: str
    shape: str
    detail: str
    exchanges: list[ShownExchange] = field(factory=list)
    tests: list[str] = field(factory=list)
    count: int = 1
    kind: str = NEW
    reproduced: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """Return the finding of some JSON data."""
        shown = [ShownExchange(**one) for one in data["exchanges"]]
        return cls(**{**data, "exchanges": shown})

    def merged(self, other: Finding) -> Finding:
        """Return this finding with the occurrences of the same finding elsewhere added."""
        tests = list(dict.fromkeys([*self.tests, *other.tests]))[:_MOST_TESTS]
        again = self.reproduced or other.reproduced
        return evolve(self, tests=tests, count=self.count + other.count, reproduced=again)

    def text(self) -> str:
        """Return the finding for a terminal."""
        lines = [f"[{self.check}] {self.sentence}", f"  observed: {printable(self.detail)}"]
        if self.cites:
            lines.append(f"  source: {self.cites}")
        if not self.reproduced:
            lines.append("  not reproduced when the test was repeated")
        for one in self.exchanges:
            lines += [f"  {one.curl}", f"  -> {one.status} {shown_body(one)[:300]}"]
        lines.append(f"  finding: {self.id}")
        return "\n".join(lines)


def make_finding(
    test: str, error: CheckFailed, *, kind: str = NEW, reproduced: bool = True
) -> Finding:
    """Return the finding of a failed check."""
    operation, shape = operation_of(error.exchanges), shape_of(error)
    return Finding(
        id=finding_id(error.check.name, operation, error.pointer, shape),
        check=error.check.name,
        sentence=error.check.sentence,
        cites=error.cites,
        operation=operation,
        pointer=error.pointer,
        shape=shape,
        detail=error.detail,
        exchanges=[show(one) for one in error.exchanges],
        tests=[test],
        kind=kind,
        reproduced=reproduced,
    )


def finding_id(check: str, operation: str, pointer: str, shape: str) -> str:
    """Return the id of a finding: the check's name and eight hexadecimal digits."""
    key = "\n".join((check, operation, pointer, shape))
    return f"{check}-{sha256(key.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"


_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")


def operation_of(exchanges: tuple[Exchange, ...]) -> str:
    """Return the id of the operation of the last exchange; its method and path without one."""
    return _operation_at(exchanges[-1].method, exchanges[-1].path) if exchanges else ""


@lru_cache(4096)
def _operation_at(method: str, path: str) -> str:
    contract = packaged_contract().operation_at(path.partition("?")[0])
    if contract is None:
        if not _METHOD.fullmatch(method):
            return "bytes that are no request"
        return "a file" if "://" in path else f"{method} an unknown path"
    same = method == contract.operation.method.upper()
    return contract.id if same else f"{method} {contract.operation.path}"


def show(exchange: Exchange) -> ShownExchange:
    """Return an exchange as data without API keys."""
    sent, sent_binary = _text_of(exchange, exchange.sent)
    content, content_binary = _text_of(exchange, exchange.content[:_MOST_BYTES])
    return ShownExchange(
        method=exchange.method,
        url=exchange.redacted(exchange.url),
        path=exchange.redacted(exchange.path),
        request_headers=[[name, exchange.redacted(one)] for name, one in exchange.request_headers],
        sent=sent,
        sent_binary=sent_binary,
        status=exchange.status,
        headers=[[name, exchange.redacted(one)] for name, one in exchange.headers],
        content=content,
        content_binary=content_binary,
        content_length=len(exchange.content),
        curl=exchange.curl(),
    )


def _text_of(exchange: Exchange, content: bytes) -> tuple[str, bool]:
    try:
        return exchange.redacted(content.decode("utf-8")), False
    except UnicodeDecodeError:
        cleaned = exchange.redacted(content.decode("latin-1")).encode("latin-1", "replace")
        return b64encode(cleaned).decode(), True


def shown_body(one: ShownExchange) -> str:
    """Return the response body for a reader: its text, or a description if it is binary."""
    if one.content_binary or "\0" in one.content:
        kind = next((value for name, value in one.headers if name.lower() == "content-type"), "")
        return f"({one.content_length} bytes of {printable(kind) or 'an unknown type'})"
    return printable(one.content)


def printable(text: str) -> str:
    """Return a text with control characters and surrogates escaped, line ends and tabs kept."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def find_failures(error: BaseException) -> list[CheckFailed]:
    """Return the failed checks in an exception, its group and its causes; each field once."""
    found: dict[tuple[str, str], CheckFailed] = {}
    for one in _failures(error, set()):
        found.setdefault((one.check.name, one.pointer), one)
    return list(found.values())


def _failures(error: BaseException, seen: set[int]) -> Iterator[CheckFailed]:
    if id(error) in seen:
        return
    seen.add(id(error))
    if isinstance(error, CheckFailed):
        yield error
    inner = (*getattr(error, "exceptions", ()), error.__cause__, error.__context__)
    for one in inner:
        if isinstance(one, BaseException):
            yield from _failures(one, seen)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every form of the API keys replaced."""
    variants = {variant for secret in secrets for variant in key_variants(secret, "")}
    for variant in sorted(variants, key=len, reverse=True):
        text = text.replace(variant, "[key]")
    return text
