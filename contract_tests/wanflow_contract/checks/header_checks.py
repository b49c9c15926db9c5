"""Checks of a response's headers: what a refusal says, and for how long a response may be kept."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wanflow_contract.checks.definitions.headers import (
    ALLOW,
    CHALLENGE,
    NOT_CACHED,
    NOT_SHARED,
    WAIT_NOT_CACHED,
)
from wanflow_contract.checks.faulty_field import response_header

if TYPE_CHECKING:
    from wanflow_contract.checks.documented_responses import OperationContract
    from wanflow_contract.support.exchange import Exchange

_AGE = re.compile(r"(?:max-age|s-maxage)\s*=\s*\"?([0-9]+)", re.IGNORECASE)
_SHARED = re.compile(r"(?:^|[\s,])(?:public|s-maxage)\b", re.IGNORECASE)
_NOT_KEPT = re.compile(r"no-store|no-cache|(?:max-age|s-maxage)\s*=\s*\"?0\b", re.IGNORECASE)
_DIRECTIVE = re.compile(r"no-store|no-cache|private|max-age", re.IGNORECASE)
_SECONDS = re.compile(r"retry after ([0-9]+) second", re.IGNORECASE)
_SOON = 60
_WAITING = frozenset({429, 503})


def check_headers(contract: OperationContract, exchange: Exchange) -> None:
    """Check the headers of a response of an operation, to any method.

    Raises:
        CheckFailed: a check fails.
    """
    _check_challenge(exchange)
    _check_allow(contract, exchange)
    control = _joined(exchange, "cache-control")
    if exchange.sent_header("authorization") and exchange.status == 200:
        detail = f"Cache-Control: {control}"
        pointer = response_header("Cache-Control")
        shared = _SHARED.search(control) and not _NOT_KEPT.search(control)
        NOT_SHARED.require(not shared, detail, exchange, pointer=pointer)
    if exchange.status in _WAITING:
        wait, age = suggested_wait(exchange), kept_seconds(exchange)
        detail = f"kept for {age:.0f} s, and to be retried after {wait} s"
        WAIT_NOT_CACHED.require(
            age <= max(wait, _SOON),
            detail,
            exchange,
            pointer=response_header("Cache-Control"),
            shape=f"{exchange.status}: long",
        )


def check_running(exchange: Exchange) -> None:
    """Check that the status of a running task isn't cached for long.

    Raises:
        CheckFailed: it is.
    """
    age = kept_seconds(exchange)
    NOT_CACHED.require(
        age <= _SOON,
        f"kept for {age:.0f} s",
        exchange,
        pointer=response_header("Cache-Control"),
        shape="long",
    )


def kept_seconds(exchange: Exchange) -> float:
    """Return for how long a cache may keep a response, as far as its headers say."""
    control = _joined(exchange, "cache-control")
    found = _AGE.search(control)
    if found:
        return float(found[1])
    expires = exchange.header("expires")
    if expires is None or _DIRECTIVE.search(control):
        return 0.0
    try:
        return parsedate_to_datetime(expires).timestamp() - time.time()
    except (ValueError, OverflowError):  # RFC 9111: an invalid date is in the past
        return 0.0


def _check_challenge(exchange: Exchange) -> None:
    offered = _joined(exchange, "www-authenticate")
    if exchange.status == 401 and offered:
        schemes = {part.split()[0].lower() for part in offered.split(",") if part.split()}
        CHALLENGE.require(
            "bearer" in schemes,
            f"WWW-Authenticate: {offered}",
            exchange,
            pointer=response_header("WWW-Authenticate"),
        )


def _check_allow(contract: OperationContract, exchange: Exchange) -> None:
    lines = [value for name, value in exchange.headers if name.lower() == "allow"]
    if exchange.status != 405 or not lines:
        return
    allowed = {one.strip() for line in lines for one in line.split(",")}
    documented = contract.operation.method.upper()
    for right, shape in (
        (documented in allowed, "without the documented method"),
        (exchange.method not in allowed, "with the refused method"),
    ):
        detail = f"Allow: {', '.join(lines)}, {shape}"
        ALLOW.require(right, detail, exchange, pointer=response_header("Allow"), shape=shape)


def suggested_wait(exchange: Exchange) -> int:
    """Return the seconds that the body of a refusal asks to wait, 0 if it doesn't say."""
    found = _SECONDS.search(exchange.content.decode("utf-8", "replace"))
    return int(found[1]) if found else 0


def _joined(exchange: Exchange, name: str) -> str:
    return ", ".join(value for key, value in exchange.headers if key.lower() == name)
