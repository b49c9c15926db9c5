"""Checks of a task from its submission to its end."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_QUERY = "#/paths/~1v1~1tasks~1{task_id}/get"
_CREATED = "#/paths/~1v1~1videos~1generations/post/responses/200"
_UNTIL = "Ask again until `status` is `completed` or `failed`; neither changes afterwards."

RECEIPT = Check(
    "receipt",
    "The response to a submission has the task's id.",
    f"{_CREATED}/links/getTask: The id that a submission answers with is the id to ask about.",
    why="Without the id, a task that is charged can never be found again.",
    correct="It returns the `id` of the task.",
)
RECEIPT_FIELDS = Check(
    "receipt-fields",
    "The response to a submission has the task's model, status and creation time.",
    note=True,
    why="A client has to poll once to know what it submitted.",
    correct="It returns `model`, `status` and `created` as in the examples; none is required.",
)
ID = Check(
    "task-id",
    "A task id begins with task-unified-.",
    "it begins with `task-unified-`",
    why="A client that recognises ids by their beginning doesn't find this one.",
    correct="It puts any characters of a path after `task-unified-`.",
)
OWN_ID = Check(
    "own-id",
    "The response to a task query has the id that was queried.",
    "The `id` that the submission answered with",
    why="A client takes another task's results for its own.",
    correct="`id` is the id of the path.",
)
HAS_STATUS = Check(
    "has-status",
    "The response to a task query has the task's status.",
    f"{_UNTIL}; #/components/schemas/TaskDetailResponse/properties/status",
    why="A client can't know whether to go on asking.",
    correct="Every response about a task has `status`.",
)
IDENTITY_STABLE = Check(
    "identity",
    "The model, kind and creation time of a task never change.",
    "The model that the task runs on; #/components/schemas/TaskDetailResponse/properties/created:"
    " When the task was created; #/components/schemas/TaskDetailResponse/properties/object: What"
    " kind of task it is",
    why="A ledger that records tasks by these facts records two tasks where there is one.",
    correct="It repeats what it said; a few seconds between receipt and query are tolerated.",
)
KIND = Check(
    "kind",
    "A task has the requested model or a version of it, and the kind that the model generates.",
    "Actual model name used; What the task makes; What kind of task it is",
    why="Another model runs than the one that was paid for.",
    correct="`model` is the requested one, or its name with a version; `object` and `type` are its "
    "kind.",
)
STILL_PRESENT = Check(
    "still-present",
    "A field of a running task is still present at the next poll.",
    note=True,
    why="A client that shows the field has nothing to show.",
    correct="It returns the same fields in each response; the documents require none.",
)
FORWARD = Check(
    "forward",
    "A status only moves forward: pending, processing, then completed or failed.",
    "Where the task stands; `completed` and `failed` are final",
    why="A client that reports progress reports that work was lost.",
    correct="A task that has begun isn't pending again.",
)
FINAL = Check(
    "final",
    "A task that has ended doesn't change.",
    f"{_UNTIL}; Where the task stands; `completed` and `failed` are final",
    why="A client stops asking at the end, and never learns of what changes later.",
    correct="The status, the number of results and the error's code stay as they are.",
)
FINAL_DETAILS = Check(
    "final-details",
    "The progress and the credits of a task that has ended don't change.",
    note=True,
    why="A client that records the cost at the end records another amount.",
    correct="It repeats the last figures in each later response.",
)
PROGRESS = Check(
    "progress",
    "Progress never decreases while a task runs.",
    "How much of the work is done, in percent",
    why="A client that reports progress reports that work was lost.",
    correct="It jumps or stays, and doesn't fall before the task ends.",
)
PROGRESS_100 = Check(
    "progress-100",
    "The progress of a completed task is 100.",
    "How much of the work is done, in percent",
    why="A client that waits for 100 never ends.",
    correct="A completed task has `progress` 100, or none.",
)
PROGRESS_EARLY = Check(
    "progress-before-end",
    "Progress is below 100 until the task is completed.",
    note=True,
    why="A client that trusts progress asks for results too early.",
    correct="It keeps 100 for completed tasks.",
)
CREATED = Check(
    "created",
    "`created` is Unix time in seconds, and is about now when a task is created.",
    "When the task was created, in seconds since 1970",
    why="A client that orders tasks by time, or drops old links, does so wrongly.",
    correct="It returns whole seconds since 1970, in UTC, within ten minutes of now.",
)
NEW = Check(
    "new-task",
    "Two submissions create two tasks.",
    f"{_CREATED}/description: Video task created successfully",
    why="Two requests are paid for, and one of them is lost.",
    correct="Each accepted submission gets an id of its own.",
)
ENDS = Check(
    "ends",
    "Every task ends.",
    _UNTIL,
    why="A client waits for ever for what it has paid for.",
    correct="Each task is completed or failed within minutes.",
)
