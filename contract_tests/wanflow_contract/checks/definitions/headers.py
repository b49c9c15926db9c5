"""Checks of headers: of a response, and of how a request's headers are understood."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

CHALLENGE = Check(
    "challenge",
    "If a 401 names the schemes that the server accepts, bearer is one of them.",
    "securitySchemes: http, bearer; RFC 9110, section 11.6.1",
)
ALLOW = Check(
    "allow",
    "If a 405 lists the allowed methods, it lists the documented one, and not the refused one.",
    "RFC 9110, section 10.2.1: the methods that the target resource supports",
)
NOT_SHARED = Check(
    "not-shared",
    "A response about a task isn't offered to shared caches, which serve it without a key.",
    "security: bearerAuth on each operation; RFC 9111, section 3.5",
)
WAIT_NOT_CACHED = Check(
    "refusal-not-cached",
    "A refusal that asks to retry later isn't cached for longer than that.",
    "`fallback_suggestion`: retry after 60 seconds; RFC 9111, section 5.2.2.1",
)
NOT_CACHED = Check(
    "not-cached",
    "The status of a running task must not be cached for long.",
    "Ask again until `status` is `completed` or `failed`",
)
RETRY = Check(
    "retry-after",
    "Retry-After is a number of seconds or a date, and is sent once.",
    "Retry-After (seconds or HTTP date); `fallback_suggestion`: retry after 60 seconds",
)
CURRENT = Check(
    "current",
    "A query returns the task as it stands, unless the client has that very version already.",
    "Answers with the task as it stands now; RFC 9110, section 13.1",
)
IGNORED = Check(
    "unknown-header",
    "A header that the server doesn't know doesn't change what a request does.",
    "RFC 9110, section 5.1",
)
