"""Checks of keys, accounts, ids, methods and paths."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_QUERY = "#/paths/~1v1~1tasks~1{task_id}/get"
_LINK = (
    "#/paths/~1v1~1videos~1generations/post/responses/200/links/getTask: The id that a submission"
    " answers with is the id to ask about."
)

KEY_REQUIRED = Check(
    "key-required",
    "Without a valid key the response is 401.",
    "All APIs require Bearer Token authentication; "
    f"{_QUERY}/responses/401/description: The key is missing or not known",
    why="Anyone can read tasks, or submit at an account's cost.",
    correct="It compares the whole key of the Authorization header, and answers 401 otherwise.",
)
SCHEME = Check(
    "scheme",
    "The scheme of the Authorization header is compared without case.",
    note=True,
    why="Some HTTP libraries write `bearer`.",
    correct="It accepts Bearer in any case.",
)
PRIVATE = Check(
    "private",
    "A task is visible to its own account only.",
    f"{_QUERY}/responses/403/description: The key may not read this task",
    why="One customer reads another's prompts and results.",
    correct="It answers 403 or 404 to the key of another account.",
)
PRIVATE_ERROR = Check(
    "private-error",
    "An error about another account's task reveals nothing of it.",
    note=True,
    why="An account learns which tasks of others exist, and what they are.",
    correct="The error is the same as for a task that doesn't exist.",
)
UNKNOWN = Check(
    "unknown-id",
    "An id that is not a task of the account is answered with 400 or 404.",
    f"{_QUERY}/responses/404/description: No such task, or one that has expired; "
    f"{_QUERY}/responses/400/description: The task id has the wrong format",
    why="A client takes a task that doesn't exist for one that runs, and waits for it.",
    correct="It compares ids exactly, and answers 404, or 400 if the form is wrong.",
)
FOUND = Check(
    "found",
    "A task can be queried as soon as it is submitted.",
    _LINK,
    why="A client that polls directly takes its task for lost, and submits again.",
    correct="It answers 200 to a query of each id that it gave out.",
)
QUERY_IGNORED = Check(
    "no-query",
    "A query in the URL of a task is ignored or rejected; it chooses no other task.",
    f"{_QUERY}/parameters; The `id` that the submission answered with; it begins with"
    " `task-unified-`",
    why="A proxy that adds a query makes tasks disappear.",
    correct="It finds the task by the path alone, or answers 400.",
)
QUERY_ERROR = Check(
    "query-error",
    "An error of a task query names no parameter of a submission.",
    f"Parameter name that caused the error; {_QUERY}/parameters",
    why="A developer searches for the mistake in a request that was right.",
    correct="`error.param` is absent or `task_id`.",
)
NO_TASK_SHOWN = Check(
    "other-method",
    "A method that isn't documented doesn't return a task, and runs no operation.",
    "#/paths/~1v1~1videos~1generations; #/paths/~1v1~1tasks~1{task_id}; "
    "Whether the provider could still cancel the task; there is no operation that does",
    why="A harmless request submits at the account's cost, or changes a task.",
    correct="It does nothing but answer; only GET and POST run what is documented.",
)
METHOD = Check(
    "method",
    "An undocumented method of an operation is rejected.",
    note=True,
    why="A client with the wrong method doesn't notice its mistake.",
    correct="It answers 405, another 4xx, or 501.",
)
UNDOCUMENTED_PATH = Check(
    "undocumented-path",
    "A path that isn't documented is answered with 4xx.",
    note=True,
    why="A client with a wrong base URL doesn't notice its mistake.",
    correct="It answers 404.",
)
EQUIVALENT_ID = Check(
    "equivalent-id",
    "An id whose unreserved characters are percent-encoded is the same id.",
    note=True,
    why="Some URL libraries encode more than they have to.",
    correct="It decodes the path before it searches for the task.",
)
MODEL_ACCESS = Check(
    "model-access",
    "The account of the run has access to each model, and enough credits.",
    note=True,
    why="What the account may not submit can't be tested.",
    correct="It refuses what the account may not use with 403, and what it can't pay with 402.",
)
FILE_ACCESS = Check(
    "file-access",
    "The server can fetch the files that requests name.",
    note=True,
    why="Requests with files that the server can't fetch test nothing.",
    correct="It fetches them, or doesn't read them before a task runs.",
)
