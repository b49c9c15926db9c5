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
from wanflow._core.snapshot import Snapshot, decode_json, find_task_id, parse_snapshot

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
RETRYABLE_STATUSES = frozenset({429, 503})
# 408 and 409 may respond to a request while the same one is still processed; 460 and 499 are what
# load balancers say of a client that left early.
_AMBIGUOUS_STATUSES = frozenset({408, 409, 460, 499})
# Only a whole id: what follows its last character shows that the text wasn't cut off inside it.
_TASK_ID = re.compile(r"task-unified-[A-Za-z0-9_-]*[A-Za-z0-9](?=[^A-Za-z0-9_-])")


def classify(response: Response, request_body: bytes = b"") -> Classified:
    """Classify a response to a submission; ids in its own body, `sent`, name no new task."""
    body = _decoded(response.content)
    task_id = _task_id(response, body, request_body)
    if 200 <= response.status < 300 and task_id is not None:  # noqa: PLR2004
        return Classified(Acceptance.ACCEPTED, task_id)
    if task_id is not None or not 400 <= response.status < 600:  # noqa: PLR2004
        return Classified(Acceptance.UNCERTAIN, task_id)
    if response.status in RETRYABLE_STATUSES:
        return Classified(
            Acceptance.RETRYABLE if _is_documented_error(body) else Acceptance.UNCERTAIN
        )
    rejected = response.status < 500 and response.status not in _AMBIGUOUS_STATUSES  # noqa: PLR2004
    return Classified(Acceptance.REJECTED if rejected else Acceptance.UNCERTAIN)


def accepted_task(response: Response, task_id: str) -> Snapshot:
    """Read the task that a response accepted, by the id that it names, whatever else it holds."""
    try:
        return evolve(parse_snapshot(response.content, task_id, response.headers), id=task_id)
    except ValueError:
        return Snapshot(task_id, "", headers=response.headers)


def _decoded(content: bytes) -> Any:
    try:
        return decode_json(content)
    except ValueError:
        return None


def _is_documented_error(body: Any) -> bool:
    """Return whether a body is the documents' error object: a message, with a code or a type."""
    error = _object(_object(body).get("error"))
    message, code, type_ = (error.get(name) for name in ("message", "code", "type"))
    coded = isinstance(code, int | str) and not isinstance(code, bool) and code != ""
    return _is_text(message) and (coded or _is_text(type_))


def _task_id(response: Response, body: Any, request_body: bytes) -> str | None:
    """Read the id of a task from its fields, else from any text."""
    return find_task_id(body) or _id_in_text(response, request_body)


def _id_in_text(response: Response, request_body: bytes) -> str | None:
    """Find the one new id in a body of any kind, or in the address that the response points to."""
    texts = (
        response.content.decode("utf-8", "replace"),
        response.headers.get("location", "") + "\n",
    )
    found = {task_id for text in texts for task_id in _TASK_ID.findall(text)}
    found.difference_update(_TASK_ID.findall(request_body.decode("utf-8", "replace")))
    return found.pop() if len(found) == 1 else None


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_rejection(error: BaseException | None) -> bool:
    """Return whether what a submission raised proves that nothing was accepted."""
    return isinstance(error, errors.ConnectionFailed | errors.APIError)


def is_retryable(error: BaseException | None) -> bool:
    """Return whether nothing was accepted, and the same request may be sent again later."""
    match error:
        case errors.APIError(status=status):
            return status in RETRYABLE_STATUSES
        case _:
            return isinstance(error, errors.ConnectionFailed)
