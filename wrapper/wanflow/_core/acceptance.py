"""Whether a response to a submission accepted it: the one rule of client, ledger and batch.

Each generation is charged when it is accepted. So only what provably was not accepted may be sent
again, and whatever names a task is kept. Responses that the documents don't know come from
something between the client and the API, which may have passed the request on before.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from wanflow import errors
from wanflow._core.snapshot import Snapshot, decode_json, named_task, parse_snapshot

if TYPE_CHECKING:
    from wanflow._core.effects import Response


class Acceptance(Enum):
    """What a response to a submission proves."""

    ACCEPTED = "accepted"
    """There is a task, and its id is known."""
    UNCERTAIN = "uncertain"
    """There may be a task; if the response names one, its id is kept."""
    REJECTED = "rejected"
    """Provably not accepted; the same request would be rejected again."""
    RETRYABLE = "retryable"
    """Provably not accepted; the same request may be sent again later."""


@frozen
class Classified:
    """What a response proves, and the id of the task that it names, if any."""

    acceptance: Acceptance
    task_id: str | None = None


# These reject a request before it is accepted, where the API itself sends them. A proxy sends
# them, too, after it has passed the request on.
RETRYABLE = frozenset({429, 503})
# 408 and 409 may respond to a request while the same one is still processed; 460 and 499 are what
# load balancers say of a client that left early.
_UNCLEAR = frozenset({408, 409, 460, 499})
# Only a whole id: what follows its last character shows that the text wasn't cut off inside it.
_ID = re.compile(r"task-unified-[A-Za-z0-9_-]*[A-Za-z0-9](?=[^A-Za-z0-9_-])")


def classify(reply: Response, sent: bytes = b"") -> Classified:
    """Classify a response to a submission; ids in its own body, `sent`, name no new task."""
    body = _decoded(reply.content)
    task_id = _task_id(reply, body, sent)
    if 200 <= reply.status < 300 and task_id is not None:  # noqa: PLR2004
        return Classified(Acceptance.ACCEPTED, task_id)
    if task_id is not None or not 400 <= reply.status < 600:  # noqa: PLR2004
        return Classified(Acceptance.UNCERTAIN, task_id)
    if reply.status in RETRYABLE:
        return Classified(Acceptance.RETRYABLE if _documented(body) else Acceptance.UNCERTAIN)
    rejected = reply.status < 500 and reply.status not in _UNCLEAR  # noqa: PLR2004
    return Classified(Acceptance.REJECTED if rejected else Acceptance.UNCERTAIN)


def accepted_task(reply: Response, task_id: str) -> Snapshot:
    """Read the task that a response accepted, by the id that it names, whatever else it holds."""
    try:
        return evolve(parse_snapshot(reply.content, task_id), id=task_id)
    except ValueError:
        return Snapshot(task_id, "")


def _decoded(content: bytes) -> Any:
    try:
        return decode_json(content)
    except ValueError:
        return None


def _documented(body: Any) -> bool:
    """Tell whether a body is the documents' error object: a message, with a code or a type."""
    error = _object(_object(body).get("error"))
    message, code, kind = (error.get(name) for name in ("message", "code", "type"))
    coded = isinstance(code, int | str) and not isinstance(code, bool) and code != ""
    return _is_text(message) and (coded or _is_text(kind))


def _task_id(reply: Response, body: Any, sent: bytes) -> str | None:
    """Read the id of a task from its fields, else from any text."""
    return named_task(body) or _id_in_text(reply, sent)


def _id_in_text(reply: Response, sent: bytes) -> str | None:
    """Find the one new id in a body of any kind, or in the address that the response points to."""
    texts = (reply.content.decode("utf-8", "replace"), reply.headers.get("location", "") + "\n")
    found = {task_id for text in texts for task_id in _ID.findall(text)}
    found.difference_update(_ID.findall(sent.decode("utf-8", "replace")))
    return found.pop() if len(found) == 1 else None


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_rejection(error: BaseException | None) -> bool:
    """Tell whether what a submission raised proves that nothing was accepted."""
    return isinstance(error, errors.ConnectionFailed | errors.APIError)


def is_retryable(error: BaseException | None) -> bool:
    """Tell whether nothing was accepted, and the same request may be sent again later."""
    match error:
        case errors.APIError(status=status):
            return status in RETRYABLE
        case _:
            return isinstance(error, errors.ConnectionFailed)
