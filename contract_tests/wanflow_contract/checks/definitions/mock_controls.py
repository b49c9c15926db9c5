"""Checks of a mock's controls, and of suggestions; the documents don't require them."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

FORCED_STATUS = Check(
    "forced-status",
    "A mock responds with the documented status that it is asked for.",
    note=True,
    why="A test that asks the mock for an error tests something else.",
    correct="With `Prefer: code=429` a mock answers 429.",
)
SUGGESTION = Check(
    "suggestion",
    "A mock's error suggests what the documents' example suggests: a link, or seconds to wait.",
    "#/paths/~1v1~1tasks~1{task_id}/get/responses/429/content/application~1json: retry after 60"
    " seconds; Suggested solution",
    why="A client that is tested with the mock doesn't learn to read suggestions.",
    correct="A mock answers with the example of the documents.",
)
SUGGESTED = Check(
    "suggested",
    "A model that is suggested in place of an unknown one exists.",
    note=True,
    why="A developer follows the suggestion to another refusal.",
    correct="`fallback_suggestion` is absent, a sentence, or the name of a model.",
)
REQUESTED_END = Check(
    "requested-end",
    "A task ends as the mock was asked to end it.",
    note=True,
    why="A test that asks the mock for a failure tests something else.",
    correct="With `[mock:fail=CODE]` in its prompt, a task fails with that code.",
)
