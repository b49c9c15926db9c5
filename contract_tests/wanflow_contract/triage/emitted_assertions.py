"""Which assertion of a standalone test stands for each check, and which statuses are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from wanflow_contract.triage import standalone_checks, standalone_headers

if TYPE_CHECKING:
    import httpx


class Assertion(Protocol):
    """A function that fails for the responses of a server that isn't correct."""

    __name__: str

    def __call__(self, responses: list[httpx.Response], facts: dict[str, Any]) -> None:
        """Judge the responses by the facts of a case."""


_REFUSED = frozenset(range(400, 500))
_INVALID = frozenset({400, 404, 413, 415})
STATUSES = {
    **dict.fromkeys(("rejects", "no-body", "nearly-json"), _INVALID),
    **{key: {200} for key in ("accepts", "json-form", "all-parameters", "media-type", "scheme")},
    **{key: {200} for key in ("found", "unknown-header")},
    "no-query": {200, 400, 404},
    "current": {200, 206},
    **dict.fromkeys(("method", "other-method"), _REFUSED | {501}),
    "undocumented-path": _REFUSED,
    "unknown-id": {400, 404},
    "private": {403, 404},
    "key-required": {401},
}
"""The statuses of a correct server, by the name of the check."""
ASSERTIONS: dict[str, Assertion] = {
    **dict.fromkeys(STATUSES, standalone_checks.has_status),
    "documented-status": standalone_checks.has_status,
    **dict.fromkeys(
        ("no-server-error", "unusual-body", "unusual-text"), standalone_checks.has_no_server_error
    ),
    "json": standalone_checks.is_json,
    "schema": standalone_checks.matches_schema,
    "error-shape": standalone_checks.has_an_error,
    "error-code": standalone_checks.has_the_code_of_its_status,
    "error-type": standalone_checks.has_a_documented_error_type,
    "param": standalone_checks.names_another_parameter,
    "query-error": standalone_checks.names_another_parameter,
    **dict.fromkeys(
        ("receipt", "receipt-fields", "task-id", "kind", "created"),
        standalone_checks.creates_a_task,
    ),
    **dict.fromkeys(("own-id", "identity", "still-present"), standalone_checks.stays_itself),
    **dict.fromkeys(
        ("forward", "final", "final-details", "progress"), standalone_checks.moves_forward
    ),
    **dict.fromkeys(
        ("progress-100", "results", "failure", "result-data", "usage", "can-cancel"),
        standalone_checks.is_consistent,
    ),
    **dict.fromkeys(
        ("duration", "failed-unused", "progress-before-end"), standalone_checks.is_consistent
    ),
    **dict.fromkeys(("one-price", "same-price"), standalone_checks.costs_the_same),
    **dict.fromkeys(
        ("new-task", "other-key", "key-apart", "key-reused"), standalone_checks.creates_two_tasks
    ),
    "has-status": standalone_checks.has_a_status,
    "error-only": standalone_checks.has_no_task,
    "retry-after": standalone_checks.says_when_to_retry,
    "challenge": standalone_checks.challenges_with_bearer,
    "leak": standalone_checks.shows_no_key,
    "success-only": standalone_checks.has_no_request_error,
    "failure-code": standalone_checks.fails_with_a_known_code,
    "ends": standalone_checks.ends_in_time,
    "idempotent": standalone_checks.makes_one_task,
    "allow": standalone_headers.lists_the_allowed_methods,
    "date": standalone_headers.is_dated_now,
    "not-shared": standalone_headers.is_not_shared,
    "not-cached": standalone_headers.is_not_kept_while_it_runs,
    "refusal-not-cached": standalone_headers.is_not_kept_until_the_retry,
    "retry-time": standalone_headers.says_one_time_to_retry,
    "content-length": standalone_headers.announces_its_length,
    "encoding": standalone_headers.has_an_accepted_coding,
}
"""What a correct server does, by the name of the check; `not_emitted` has why others have none."""
LIFE = frozenset(
    name
    for name, one in ASSERTIONS.items()
    if one
    in {
        standalone_checks.stays_itself,
        standalone_checks.moves_forward,
        standalone_checks.is_consistent,
        standalone_checks.has_a_status,
        standalone_checks.fails_with_a_known_code,
        standalone_checks.ends_in_time,
    }
)
"""The checks of a task's life."""
