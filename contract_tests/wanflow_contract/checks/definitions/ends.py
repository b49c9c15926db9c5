"""Checks of a task that has ended: its results, or its error."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_RESULTS = "Links to what the task made, given once it is completed and valid for 24 hours"

RESULTS = Check(
    "results",
    "A completed task has the requested number of distinct results; others have none.",
    f"{_RESULTS}; Number of images to generate, supports any integer value between [1,4]",
    why="A client that is done has nothing to download, or not what it paid for.",
    correct="`results` has one link for each image, or one for a video, from the end on.",
)
FAILURE = Check(
    "failure",
    "A failed task has an error with a code, a message and a type; others have no error.",
    "Why the task failed; given only when it did; #/components/schemas/TaskError/properties/type:"
    " Always `task_error`",
    why="A client decides by the code whether a new submission may succeed.",
    correct="`error` has `code`, `message` and the type `task_error`, if the task failed.",
)
FAILURE_CODE = Check(
    "failure-code",
    "The code of a failed task's error is one of the known ones.",
    note=True,
    why="A client has no rule for a code that it doesn't know.",
    correct="It uses the known codes, such as `generation_timeout`; the documents list no others.",
)
SAME_LINKS = Check(
    "result-data",
    "`results` and `result_data` have the same URLs.",
    note=True,
    why="A client that reads the other field gets other files.",
    correct="`result_data` is absent, or repeats the links.",
)
CANCEL = Check(
    "can-cancel",
    "A task that has ended can't be cancelled.",
    note=True,
    why="A client offers to cancel what is done.",
    correct="`can_cancel` is false or absent after the end.",
)
TOOK = Check(
    "duration",
    "The seconds that a task took are not negative.",
    note=True,
    why="A client that adds them up gets a wrong sum.",
    correct="`duration` is absent, or at least 0.",
)
NOTHING_USED = Check(
    "failed-unused",
    "A failed task has used no credits, because nothing was generated.",
    "the actual charge will be based on the number of generated images",
    why="Customers pay for nothing.",
    correct="`usage.credits_used` of a failed task is absent or 0.",
)
UNIQUE_LINKS = Check(
    "own-links",
    "No two tasks of different requests have a result URL in common.",
    _RESULTS,
    why="A client gets the file of another task, perhaps of another customer.",
    correct="Each task has links of its own; equal requests may share a file.",
)
CLIENT = Check(
    "client",
    "A client that keeps to the documents submits, waits, downloads, and raises documented errors.",
    f"{_RESULTS}; #/paths/~1v1~1videos~1generations/post; #/paths/~1v1~1tasks~1{{task_id}}/get",
    why="What works in single requests must work in a program.",
    correct="The client of wanflow gets the files of each model, and an exception for each error.",
)
