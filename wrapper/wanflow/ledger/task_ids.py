"""A task has one job: decide what to write if another job already has the task's id.

A task that was waited for before its submission was recorded has a job without a key, which is
merged into the submission's job. If the task belongs to another submission's job, this submission's
own task, if there is one, isn't known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.ledger.job import JobState

if TYPE_CHECKING:
    from wanflow.ledger.connection import Connection
    from wanflow.ledger.refs import Changes

# The columns that a wait has written, which are kept.
_WAIT_COLUMNS = (
    *("state", "folder", "status", "progress", "code", "reason", "links", "credits"),
    *("price", "ended", "created", "holder"),
)
_OF_OTHER = ", ".join(f"other.{name}" for name in _WAIT_COLUMNS)


IS_FREE = """NOT EXISTS (
    SELECT 1 FROM job AS other
    WHERE other.task = ? AND other.server = job.server AND other.id <> job.id
)"""
"""The condition that no other job has a task's id."""


def assign_task_id(
    connection: Connection, where: str, named: list[object], changes: Changes
) -> Changes | None:
    """Give a task id to the job that `where` finds; return the changes that are left to write.

    None if the task belongs to another submission; the job is then marked uncertain.
    """
    task_id = changes["task_id"]
    query = f"""
        SELECT job.id AS mine, other.id, other.key, {_OF_OTHER} FROM job
        JOIN job AS other ON other.server = job.server AND other.task = ? AND other.id <> job.id
        WHERE {where}
    """  # noqa: S608 - our own condition
    other = connection.execute(query, [task_id, *named]).fetchone()
    if other is None:
        return changes
    if other["key"] is None:
        _merge(connection, other, task_id, changes["accepted"])
        left = {"owned": changes["owned"]} if changes.get("owned") else {}
        return left if other["status"] else {**left, **_status(changes)}
    reason = f"the API responded with task {task_id}, which is that of job {other['id']}"
    connection.execute(
        "UPDATE job SET state = ?, reason = ?, holder = NULL WHERE id = ? AND task IS NULL",
        [str(JobState.UNCERTAIN), reason, other["mine"]],
    )
    return None


def _status(changes: Changes) -> Changes:
    """Return the status that a response had; a user who names a task knows none."""
    return {"status": changes["status"]} if "status" in changes else {}


def _merge(connection: Connection, other: Any, task_id: str, accepted: float) -> None:
    connection.execute("UPDATE file SET job = ? WHERE job = ?", [other["mine"], other["id"]])
    connection.execute("DELETE FROM job WHERE id = ?", [other["id"]])
    pairs = ", ".join(f"{name} = COALESCE(?, {name})" for name in _WAIT_COLUMNS)
    connection.execute(
        f"UPDATE job SET task = ?, accepted = ?, {pairs} WHERE id = ?",  # noqa: S608
        [task_id, accepted, *(other[name] for name in _WAIT_COLUMNS), other["mine"]],
    )
