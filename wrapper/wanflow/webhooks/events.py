"""Callback payloads, which are unverified, and events, which the API has confirmed."""

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
    """A finished task: `snapshot` is the API's response, `job` and `kind` are those of the URL.

    `snapshot.succeeded` says whether there are results, `snapshot.failure` why there are none.
    """

    job: str
    kind: str
    snapshot: Snapshot

    @property
    def task_id(self) -> str:
        """The id of the task; see `client.task(id)`."""
        return self.snapshot.id


# A status response has one or two kilobytes.
MAX_BODY_BYTES = 64 * 1024
# An id becomes part of a request's path, so only plain characters are allowed.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


@frozen
class CallbackPayload:
    """An unverified callback. Only `job` and `kind` are signed, and can be trusted.

    `body` is the decoded body. Don't trust it: ask the API for the status of `task_id`.
    """

    job: str
    kind: str
    task_id: str
    body: dict[str, Any] = field(repr=False, eq=False, factory=dict[str, Any])

    @property
    def key(self) -> str:
        """Identifies the event: the task and the job."""
        return f"{self.task_id} {self.job}"


def parse_payload(token: TokenData, content: bytes) -> CallbackPayload:
    """Read the body of a callback.

    Raises:
        CallbackRejected: it is too large (413), isn't a JSON object (400), or has no valid task
            id (422).
    """
    if len(content) > MAX_BODY_BYTES:
        raise CallbackRejected("the body is too large", status=413)
    try:
        body = decode_json(content)
    except ValueError:
        raise CallbackRejected("the body isn't valid JSON", status=400) from None
    if not isinstance(body, dict):
        raise CallbackRejected("the body isn't a JSON object", status=400)
    fields = cast("dict[str, Any]", body)
    task_id = fields.get("id")
    if not isinstance(task_id, str) or not _ID.fullmatch(task_id):
        raise CallbackRejected("the body has no valid task id", status=422)
    return CallbackPayload(token.job, token.kind, task_id, fields)
