"""Which assertion of a standalone test stands for each check, and which statuses are right."""

from __future__ import annotations

from wanflow_contract.triage import standalone_checks

_REFUSED = frozenset(range(400, 500))
_INVALID = frozenset({400, 404, 413, 415})
STATUSES = {
    **dict.fromkeys(("rejects", "no-body", "nearly-json"), _INVALID),
    **{key: {200} for key in ("accepts", "json-form", "all-parameters", "media-type", "scheme")},
    **{key: {200} for key in ("found", "unknown-header")},
    "no-query": {200, 400, 404},
    **dict.fromkeys(("method", "other-method"), _REFUSED | {501}),
    "undocumented-path": _REFUSED,
    "unknown-id": {400, 404},
    "private": {403, 404},
    "key-required": {401},
}
"""The statuses of a correct server, by the name of the check."""
ASSERTIONS = {
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
    **dict.fromkeys(("new-task", "other-key"), standalone_checks.creates_two_tasks),
    "has-status": standalone_checks.has_a_status,
    "error-only": standalone_checks.has_no_task,
    "retry-after": standalone_checks.says_when_to_retry,
    "challenge": standalone_checks.challenges_with_bearer,
}
"""What a correct server does, by the name of the check; others need the suite."""
LIFE = frozenset(
    name
    for name, one in ASSERTIONS.items()
    if one
    in {
        standalone_checks.stays_itself,
        standalone_checks.moves_forward,
        standalone_checks.is_consistent,
        standalone_checks.has_a_status,
    }
)
"""The checks of a task's life."""
