"""Checks of what is accepted and what is rejected."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

ACCEPTS = Check("accepts", "A request that the documents allow is accepted.")
REJECTS = Check("rejects", "A request that violates the documents is rejected with 400.")
PARAM = Check("param", "If an error names a parameter, it is the invalid one.")
NO_BODY = Check("no-body", "A body that is not a JSON object is rejected with 400.")
MEDIA_TYPE = Check(
    "media-type", "A body of type application/json is accepted, with any parameters of the type."
)
JSON_FORM = Check("json-form", "A request is accepted in every form of JSON.")
NEARLY_JSON = Check(
    "nearly-json",
    "A body that isn't JSON is rejected, even if a request could be guessed from it.",
    "400: Invalid request format; requestBody: application/json (RFC 8259, section 2)",
)
UNUSUAL_BODY = Check(
    "unusual-body",
    "A body whose form parsers disagree about is accepted or rejected; it makes nothing fail.",
    "400: Invalid request format",
)
COMPLETE = Check(
    "all-parameters",
    "A request with all parameters together, each valid and as long as allowed, is accepted.",
    "the request schema of each model",
)
OPEN_TEXT = Check(
    "unusual-text",
    "An unusual text is accepted, or rejected with 400; it makes nothing fail.",
    "400: Invalid request parameters",
)
