"""The end of a task, as the API itself has told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from wanflow._core.snapshot import Snapshot


@frozen
class End:
    """A task that has ended: `snapshot` is the API's answer, `job` and `kind` what the URL was for.

    `snapshot.completed` tells whether there are results, `snapshot.failure` why there are none.
    """

    job: str
    kind: str
    snapshot: Snapshot

    @property
    def task_id(self) -> str:
        """The id of the task; `client.task(id)` takes it up."""
        return self.snapshot.id
