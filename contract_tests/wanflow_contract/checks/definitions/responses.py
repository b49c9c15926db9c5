"""Checks of any response: its status, media type, schema and errors."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_RESPONSES = "#/paths/~1v1~1videos~1generations/post/responses"
_QUERY = "#/paths/~1v1~1tasks~1{task_id}/get/responses"
_ERROR = "#/components/schemas/ErrorResponse/properties/error"

DOCUMENTED = Check(
    "documented-status",
    "A response has a status that is documented for its operation.",
    f"{_RESPONSES}; {_QUERY}",
    why="A client has no rule for a status that it doesn't know, and may retry what was charged.",
    correct="It answers with one of the listed statuses, or one that HTTP allows any server.",
)
JSON = Check(
    "json",
    "A response of the API is JSON in UTF-8, and is labelled so.",
    f"{_QUERY}/200/content/application~1json; {_RESPONSES}/400/content/application~1json",
    why="A client that can't decode the response to a submission doesn't know what it paid for.",
    correct="It sends one JSON value in UTF-8 with the type application/json.",
)
SCHEMA = Check(
    "schema",
    "A response body is valid against the schema for its status.",
    "#/components/schemas/TaskDetailResponse; #/components/schemas/VideoGenerationResponse; "
    "#/components/schemas/ImageGenerationResponse; #/components/schemas/ErrorResponse",
    why="Clients are generated from the schemas, and fail on a value of another type.",
    correct="Each documented field has the documented type; other fields may be added.",
)
SHAPE = Check(
    "error-shape",
    "An error has a code, a human-readable message and a type.",
    f"{_ERROR}; {_RESPONSES}/400/content/application~1json/examples/default",
    why="A client decides by code and type whether to retry, and shows the message to a person.",
    correct="`error` is an object with `code`, `message` and `type`, as in every example.",
)
CODE = Check(
    "error-code",
    "An error's code is its status, or the string that later revisions use for that status.",
    f"{_QUERY}/404/content/application~1json/examples/default; "
    f"{_QUERY}/404/content/application~1json/examples/word-code: As later revisions answer",
    why="A client that trusts the code takes a wrong key for a missing task, or the reverse.",
    correct="A number equals the status; a known word is the one for this status.",
)
TYPE = Check(
    "error-type",
    "An error's type is the one documented for its status.",
    f"{_ERROR}/properties/type/description: Error type; "
    f"{_RESPONSES}/429/content/application~1json/examples/default: rate_limit_error",
    why="A client that handles errors by their type handles this one as another.",
    correct="`error.type` is the word of the examples for this status.",
)
NO_TASK = Check(
    "error-only",
    "An error response contains no task.",
    "#/components/schemas/ErrorResponse",
    why="A client can't know whether a task was made and charged.",
    correct="An error has `error`, and no task's id, status or results.",
)
NO_ERROR = Check(
    "success-only",
    "A successful response contains no request error.",
    "Why the task failed; given only when it did",
    why="A client can't know whether the request succeeded.",
    correct="A 200 has a task; `error` is in it only if the task failed.",
)
LENGTH = Check(
    "content-length",
    "Content-Length is the length of the body.",
    "RFC 9110, section 8.6: A sender MUST NOT forward a message with a Content-Length header field"
    " value that is known to be incorrect.",
    why="A client waits for bytes that never come, or reads the rest as the next response.",
    correct="It counts the bytes that it sends.",
)
IDENTITY = Check(
    "encoding",
    "A response has a content encoding only if the client accepts it.",
    note=True,
    why="A client without that coding can't read the response.",
    correct="It sends the body as it is, or in a coding that Accept-Encoding lists.",
)
LEAK = Check(
    "leak",
    "No response contains an API key.",
    note=True,
    why="Responses are logged, cached and shown; a reader can spend the credits.",
    correct="It never repeats the key, also not in an error about it.",
)
NO_SERVER_ERROR = Check(
    "no-server-error",
    "No request makes the server fail.",
    f"{_QUERY}/500/description: The server failed; "
    f"{_RESPONSES}/400/description: Invalid request parameters",
    why="A client retries after a server error, and doesn't know whether a task was made.",
    correct="It answers an invalid request with 400, and doesn't fail.",
)
RESPONDS = Check(
    "responds",
    "Every request gets a valid HTTP response in time.",
    f"{_RESPONSES}; {_QUERY}",
    why="Without a response, a client doesn't know whether a submission was accepted and charged.",
    correct="It answers each request with a complete HTTP response.",
)
