"""Why the findings of some checks are written as no test."""

from __future__ import annotations

from wanflow_contract.triage.emitted_assertions import ASSERTIONS

_SOCKET = "the bytes on the connection show it, and httpx doesn't send or show them"
_BALANCE = "the account's balance shows it, which the documents have no request for"
_FILE = "the content of a result file shows it, which httpx alone doesn't read"
_CALLBACK = "a server that receives callbacks shows it"
_MOCK = "only the controls of the mock show it"
_SEVERAL = "tasks of several requests are compared by rules of the models"
_HISTORY = "the whole run shows it, not its last requests"
REASONS = {
    **dict.fromkeys(
        ("responds", "valid-http", "in-order", "head-without-body", "closes", "broken-http"),
        _SOCKET,
    ),
    **dict.fromkeys(("refused-body", "continues", "chunk-size"), _SOCKET),
    **dict.fromkeys(
        ("rejected-free", "failed-free", "charged-once", "no-surcharge", "no-charge"), _BALANCE
    ),
    **dict.fromkeys(("link", "link-type", "size", "video", "whole-file", "same-file"), _FILE),
    **dict.fromkeys(("frame", "part", "as-default"), _FILE),
    "link-lifetime": "the link has to be tried again after hours",
    **dict.fromkeys(
        ("callback", "callback-end", "callback-body", "callback-once", "callback-billed"),
        _CALLBACK,
    ),
    "callback-retried": _CALLBACK,
    **dict.fromkeys(("forced-status", "requested-end", "suggestion"), _MOCK),
    **dict.fromkeys(("pre-charge", "charge", "used-credits"), _SEVERAL),
    **dict.fromkeys(("quality-price", "default-price"), _SEVERAL),
    **dict.fromkeys(("one-rule", "own-links", "private-error"), _HISTORY),
    **dict.fromkeys(("equivalent-id", "suggested"), "the requests depend on earlier responses"),
    "file-access": "the server may be unable to fetch the file, which isn't its fault",
    "model-access": "the account may have no access, which isn't a fault of the server",
    "generated": "generation may fail for reasons that the documents allow",
    "client": "the client of this project shows it",
}
"""The reason, by the name of the check."""


def reason(check: str) -> str:
    """Return why a finding of a check is written as no test."""
    if check in ASSERTIONS:
        return "its last request went to another server than the API's"
    return REASONS.get(check, "the check isn't known")
