"""Checks of a mock's controls, which no document mentions."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

FORCED_STATUS = Check(
    "forced-status", "A mock responds with the documented status that it is asked for."
)
SUGGESTION = Check(
    "suggestion",
    "A mock's error suggests what the documents' example suggests: a link, or seconds to wait.",
    "402: a billing link in `fallback_suggestion`; 429: retry after 60 seconds",
)
SUGGESTED = Check(
    "suggested",
    "A model that is suggested in place of an unknown one exists.",
    "a model that exists in `fallback_suggestion`",
)
REQUESTED_END = Check("requested-end", "A task ends as the mock was asked to end it.")
