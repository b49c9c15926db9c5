"""A task as one answer of the API showed it, read leniently.

The documents promise little of this body (no field is required), and the wire has shown more and
less than they say. So an absent field is None, an unknown status word is "not finished yet", and
everything that came stays reachable in `raw`.
"""

from __future__ import annotations

import json
from typing import Any, cast

from attrs import field, frozen

COMPLETED = "completed"
# The documents: "Generated video links are valid for 24 hours, please save them promptly".
_LINK_LIFE = 24 * 3600.0
# "cancelled" is in the documents' prose and not in their enum; both spellings are an end.
_CANCELLED = frozenset({"cancelled", "canceled"})
_FAILED = frozenset({"failed"}) | _CANCELLED
_RUNNING = frozenset({"pending", "processing"})


@frozen
class Failure:
    """Why a task failed, in the API's words. `code` is a business code."""

    code: str
    message: str


@frozen
class Snapshot:
    """A task as last seen.

    `progress` is in percent, `created` in unix seconds, `estimated_time` in seconds from the
    submission; `results` are the links of a completed task; each is None or empty where the
    API said nothing of it. `raw` is the whole body.
    """

    id: str
    status: str
    model: str | None = None
    progress: int | None = None
    created: int | None = None
    estimated_time: float | None = None
    results: tuple[str, ...] = ()
    failure: Failure | None = None
    usage: dict[str, Any] = field(factory=dict[str, Any])
    raw: dict[str, Any] = field(factory=dict[str, Any], repr=False)

    @property
    def completed(self) -> bool:
        """Whether the task ended with results."""
        return self.status == COMPLETED

    @property
    def ended(self) -> bool:
        """Whether the task will not change any more."""
        return self.completed or self.failure is not None

    @property
    def expires(self) -> float | None:
        """The earliest moment, in unix seconds, at which its links can die."""
        return None if self.created is None else self.created + _LINK_LIFE

    @property
    def known(self) -> bool:
        """Whether the status is a word of the documents."""
        return self.ended or self.status in _RUNNING


def decode(content: bytes) -> Any:
    """Decode JSON of any origin.

    Raises:
        ValueError: it isn't JSON, or nests deeper than anything of this API.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("its body nests too deeply") from None
    except ValueError as error:
        raise ValueError(f"its body is no JSON ({error})") from None


def read_snapshot(content: bytes, task_id: str | None = None) -> Snapshot:
    """Read a task out of a 200 answer; `task_id` stands in where the body has none.

    Raises:
        ValueError: the body is no JSON object, or no task can be told from it.
    """
    body = decode(content)
    if not isinstance(body, dict):
        raise ValueError("its body is no JSON object")  # noqa: TRY004 - one kind for the caller
    raw = cast("dict[str, Any]", body)
    name = _text(raw, "id") or task_id
    if name is None:
        raise ValueError("its body has no task id")
    status = (_text(raw, "status") or "").lower()
    info = _object(raw, "task_info")
    return Snapshot(
        id=name,
        status=status,
        model=_text(raw, "model"),
        progress=_integer(raw, "progress"),
        created=_integer(raw, "created"),
        estimated_time=_number(info, "estimated_time"),
        results=_links(raw),
        failure=_failure(raw, status),
        usage=_object(raw, "usage"),
        raw=raw,
    )


def _failure(raw: dict[str, Any], status: str) -> Failure | None:
    if status not in _FAILED:
        return None
    error = _object(raw, "error")
    fallback = "request_cancelled" if status in _CANCELLED else "unknown_error"
    code = error.get("code")
    return Failure(
        code=str(code) if isinstance(code, str | int) and code != "" else fallback,
        message=_text(error, "message") or f"the task is {status}",
    )


def _links(raw: dict[str, Any]) -> tuple[str, ...]:
    found = _texts(raw.get("results"))
    if found:
        return found
    again = raw.get("result_data")
    return _texts([_entry(entry).get("url") for entry in _list(again)])


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(entry for entry in _list(value) if isinstance(entry, str) and entry)


def _text(raw: dict[str, Any], name: str) -> str | None:
    value = raw.get(name)
    return value if isinstance(value, str) and value else None


def _number(raw: dict[str, Any], name: str) -> float | None:
    """Read a finite, non-negative number; anything else says nothing."""
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < _LARGEST else None


def _integer(raw: dict[str, Any], name: str) -> int | None:
    value = _number(raw, name)
    return None if value is None else int(value)


def _object(raw: dict[str, Any], name: str) -> dict[str, Any]:
    return _entry(raw.get(name))


def _entry(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    entries: Any = value
    return entries if isinstance(value, list) else []


# Beyond this a number is noise: 2**53 is the last integer that every JSON reader agrees on.
_LARGEST = 2**53
