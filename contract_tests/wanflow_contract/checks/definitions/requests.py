"""Checks of what is accepted and what is rejected."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_POST = "#/paths/~1v1~1videos~1generations/post"
_SCHEMAS = (
    "#/components/schemas/ImageGenerationRequest; #/components/schemas/VideoGenerationRequest"
)
_BODY = f"{_POST}/requestBody/content/application~1json"
_INVALID = f"{_POST}/responses/400/description: Invalid request parameters"
_FORMAT = f"{_POST}/responses/400/content/application~1json: Invalid request format"

ACCEPTS = Check(
    "accepts",
    "A request that the documents allow is accepted.",
    f"{_SCHEMAS}; {_POST}/responses/200/description: Video task created successfully",
    why="A client that follows the documents can't use what they offer.",
    correct="It answers 200 to each request that satisfies the schema and the prose.",
)
REJECTS = Check(
    "rejects",
    "A request that violates the documents is rejected with 400.",
    f"{_SCHEMAS}; {_INVALID}",
    why="A mistake in a request is charged, and gives something else than what was asked for.",
    correct="It answers 400, or 404 if the model is unknown, and makes no task.",
)
PARAM = Check(
    "param",
    "If an error names a parameter, it is one that the request gives cause for.",
    "Parameter name that caused the error",
    why="A developer searches for the mistake in the wrong field.",
    correct="`error.param` is absent, or names a field that is invalid, missing or unknown.",
)
NO_BODY = Check(
    "no-body",
    "A body that is not a JSON object is rejected with 400.",
    f"{_POST}/requestBody; {_FORMAT}",
    why="A broken request is taken for a valid one, or makes the server fail.",
    correct="It answers 400, or 413 if the body is very large.",
)
MEDIA_TYPE = Check(
    "media-type",
    "A body of type application/json is accepted, with any parameters of the type.",
    _BODY,
    why="HTTP libraries write the type in different forms, and their users can't change it.",
    correct="It accepts application/json in any case, with or without a charset.",
)
JSON_FORM = Check(
    "json-form",
    "A request is accepted in every form of JSON.",
    f"{_BODY}; {_SCHEMAS}",
    why="JSON libraries write the same value differently: spaces, order, escapes.",
    correct="It parses JSON, and doesn't compare texts.",
)
NEARLY_JSON = Check(
    "nearly-json",
    "A body that isn't JSON is rejected, even if a request could be guessed from it.",
    note=True,
    why="A guess at a broken request is charged.",
    correct="It answers 400 to whatever isn't JSON, though a JSON parser may accept more.",
)
UNUSUAL_BODY = Check(
    "unusual-body",
    "A body whose form parsers disagree about is accepted or rejected; it makes nothing fail.",
    f"{_BODY}; {_FORMAT}",
    why="A client retries after a failure, and doesn't know whether a task was made.",
    correct="It answers 200 or 400.",
)
COMPLETE = Check(
    "all-parameters",
    "A request with all parameters together, each valid and as long as allowed, is accepted.",
    _SCHEMAS,
    why="A limit that no document states rejects what the documents allow.",
    correct="It accepts every combination that the schema allows.",
)
OPEN_TEXT = Check(
    "unusual-text",
    "An unusual text is accepted, or rejected with 400; it makes nothing fail.",
    _INVALID,
    why="Users write in all scripts; a failure leaves a client without a result.",
    correct="It answers 200 or 400.",
)
