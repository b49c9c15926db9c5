"""Checks of a task from its submission to its end."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

CREATED = Check(
    "created",
    "`created` is Unix time in seconds, and is about now when a task is created.",
    "created: integer, unix seconds",
)
NEW = Check("new-task", "Two submissions create two tasks.")
RECEIPT = Check(
    "receipt",
    "The response to a submission has the task's id, model, status and creation time.",
    "the 200 response of a submission in every document",
)
ID = Check("task-id", "A task id begins with task-unified-.", "always begins with `task-unified-`")
OWN_ID = Check(
    "own-id",
    "The response to a task query has the id that was queried.",
    "link getTask: $response.body#/id",
)
IDENTITY_STABLE = Check("identity", "The model, kind and creation time of a task never change.")
KIND = Check("kind", "A task has the requested model, and the kind that the model generates.")
STILL_PRESENT = Check(
    "still-present", "A field of a running task is still present at the next poll."
)
FORWARD = Check(
    "forward",
    "A status only moves forward: pending, processing, then completed or failed.",
    "`completed` or `failed`; neither changes afterwards",
)
FINAL = Check(
    "final",
    "A task that has ended doesn't change.",
    "Ask again until `status` is `completed` or `failed`; neither changes afterwards",
)
PROGRESS = Check("progress", "Progress never decreases while a task runs.")
PROGRESS_100 = Check("progress-100", "Progress is 100 if and only if the task is completed.")
ENDS = Check("ends", "Every task ends.")
