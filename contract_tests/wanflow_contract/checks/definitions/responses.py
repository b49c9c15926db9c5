"""Checks of any response: its status, media type, schema and errors."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

DOCUMENTED = Check(
    "documented-status",
    "A response has a status that is documented for its operation.",
)
JSON = Check("json", "A response of the API is JSON in UTF-8, and is labelled so.")
SCHEMA = Check("schema", "A response body is valid against the schema for its status.")
SHAPE = Check(
    "error-shape",
    "An error has a code, a human-readable message and a type.",
    "the error examples of every operation",
)
CODE = Check(
    "error-code",
    "An error's code is its status, or the string that later revisions use for that status.",
    "the error examples of every operation",
)
TYPE = Check(
    "error-type",
    "An error's type is the one documented for its status.",
    "the error examples of every operation",
)
NO_TASK = Check("error-only", "An error response contains no task.")
NO_ERROR = Check("success-only", "A successful response contains no request error.")
LENGTH = Check("content-length", "Content-Length is the length of the body.")
NO_SERVER_ERROR = Check("no-server-error", "No request makes the server fail.")
LEAK = Check("leak", "No response contains an API key.")
RESPONDS = Check("responds", "Every request gets a valid HTTP response in time.")
IDENTITY = Check("encoding", "A response has a content encoding only if the client accepts it.")
