"""Checks of keys, accounts, ids, methods and paths."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

KEY_REQUIRED = Check(
    "key-required", "Without a valid key the response is 401.", "security: bearerAuth on each"
)
UNKNOWN = Check(
    "unknown-id", "An id that is not a task of the account is answered with 400 or 404."
)
FOUND = Check("found", "A task can be queried as soon as it is submitted.", "links: getTask")
PRIVATE = Check("private", "A task is visible to its own account only.")
QUERY_ERROR = Check(
    "query-error",
    "An error of a task query names no parameter of a submission.",
    "400 and 404 of the task query: param `task_id`",
)
METHOD = Check("method", "An undocumented method of an operation is rejected.")
UNDOCUMENTED_PATH = Check("undocumented-path", "A path that isn't documented is answered with 4xx.")
NO_TASK_SHOWN = Check(
    "other-method",
    "A method that isn't documented doesn't return a task, and runs no operation.",
    "paths: each operation has one method; RFC 9110, section 9.1",
)
SCHEME = Check(
    "scheme",
    "The scheme of the Authorization header is compared without case.",
    "security: bearerAuth; RFC 9110, section 11.1",
    note=True,
    why="A client that writes `bearer`, as HTTP allows, is refused.",
    correct="It compares the scheme without case; the documents write `Bearer` only.",
)
QUERY_IGNORED = Check(
    "no-query",
    "A query in the URL of a task is ignored or rejected; it chooses no other task.",
    "no query parameter of the task query is documented",
)
EQUIVALENT_ID = Check(
    "equivalent-id",
    "An id whose unreserved characters are percent-encoded is the same id.",
    "RFC 3986, section 2.3: URIs that differ so are equivalent",
    note=True,
    why="A client or a proxy that encodes more than it has to doesn't find its tasks.",
    correct="It decodes the id in the path before it searches for the task.",
)
