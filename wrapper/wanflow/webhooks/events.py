"""A callback as it came: a claim that a task has ended, by somebody who knows one of our URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from wanflow._core.snapshot import decode_json
from wanflow.webhooks.errors import CallbackRejected

if TYPE_CHECKING:
    from wanflow._core.snapshot import Snapshot
    from wanflow.webhooks.url_tokens import TokenData


@frozen
class TaskDone:
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


# The answer to a task query has one or two kilobytes.
MAX_BODY_BYTES = 64 * 1024
# An id becomes part of the path of a question, so it is a plain word or nothing.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


@frozen
class CallbackPayload:
    """What a caller says. `job` and `kind` are what we sealed; the rest is anybody's word.

    `body` is the decoded body. Nothing of it is to be believed: ask the API about `task_id`.
    """

    job: str
    kind: str
    task_id: str
    body: dict[str, Any] = field(repr=False, eq=False, factory=dict[str, Any])

    @property
    def key(self) -> str:
        """What tells one end from another: the job and the task."""
        return f"{self.task_id} {self.job}"


def parse_payload(token: TokenData, content: bytes) -> CallbackPayload:
    """Read the body of a callback.

    Raises:
        Refused: it is too large (413), no JSON object (400), or names no task (422).
    """
    if len(content) > MAX_BODY_BYTES:
        raise CallbackRejected("the body is too large", status=413)
    try:
        body = decode_json(content)
    except ValueError:
        raise CallbackRejected("the body is no JSON", status=400) from None
    if not isinstance(body, dict):
        raise CallbackRejected("the body is no JSON object", status=400)
    fields = cast("dict[str, Any]", body)
    task_id = fields.get("id")
    if not isinstance(task_id, str) or not _ID.fullmatch(task_id):
        raise CallbackRejected("the body names no task", status=422)
    return CallbackPayload(token.job, token.kind, task_id, fields)
