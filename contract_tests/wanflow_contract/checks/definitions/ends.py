"""Checks of a task that has ended: its results, or its error."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

UNIQUE_LINKS = Check("own-links", "No two tasks have a result URL in common.")
RESULTS = Check(
    "results",
    "A completed task has the requested number of distinct results; others have none.",
    "Links to what the task made, given once it is completed",
)
FAILURE = Check(
    "failure",
    "A failed task has an error with a known code; others have no error.",
    "Why the task failed; given only when it did",
)
SAME_LINKS = Check(
    "result-data",
    "`results` and `result_data` have the same URLs.",
    "`result_data`: the same links again",
)
CANCEL = Check(
    "can-cancel",
    "A task that has ended can't be cancelled.",
    "can_cancel: Whether the provider could still cancel the task",
    note=True,
    why="A program offers to cancel what is over.",
    correct="It sets `can_cancel` to false at the end; the documents call it information only.",
)
TOOK = Check(
    "duration",
    "The seconds that a task took are not negative.",
    "`duration`: seconds that the task took",
)
NOTHING_USED = Check(
    "failed-unused",
    "A failed task has used no credits, because nothing was generated.",
    "the actual charge will be based on the number of generated images",
)
