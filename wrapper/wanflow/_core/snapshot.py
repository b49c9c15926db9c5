"""A task as one answer of the API showed it, read leniently.

The documents promise little of this body (no field is required), and the wire has shown more and
less than they say. So an absent field is None, an unknown status word is "not finished yet", and
everything that came stays reachable in `raw`.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from wanflow._core.json_record import JsonRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMPLETED = "completed"
# The documents: "Generated video links are valid for 24 hours, please save them promptly".
LINK_LIFETIME = 24 * 3600.0
"""Seconds that links, and tasks, can be fetched."""
# "cancelled" is in the documents' prose and not in their enum; both spellings are an end.
_CANCELLED = frozenset({"cancelled", "canceled"})
# The documents have none of these, and servers of the family send them; other clients read them so.
_DONE = frozenset({"success", "succeeded", "done"})
_ERRORS = frozenset({"error", "errored"})
_FAILED = frozenset({"failed"}) | _CANCELLED | _ERRORS
_RUNNING = frozenset({"pending", "processing"})
_DOCUMENTED = (_RUNNING | _FAILED | {COMPLETED}) - _ERRORS
_FULL_PROGRESS = 100
# An entry of results names its link so. The image beside a video or a sound is its cover.
_LINK_NAMES = ("video_url", "audio_url", "url", "image_url")


@frozen
class TaskFailure:
    """Why a task failed, in the API's words. `code` is a business code."""

    code: str
    message: str


@frozen
class Snapshot(JsonRecord):
    """A task as last seen.

    `progress` is in percent, `created` in unix seconds, `estimated_time` in seconds from the
    submission; `results` are the links of a completed task; each is None or empty where the
    API said nothing of it. `raw` is the whole body. `submitted` is when this client submitted it,
    in unix seconds of its own clock, None where another did.
    """

    id: str
    status: str
    model: str | None = None
    progress: int | None = None
    created: int | None = None
    estimated_time: float | None = None
    urls: tuple[str, ...] = ()
    failure: TaskFailure | None = None
    usage: dict[str, Any] = field(factory=dict[str, Any])
    raw: dict[str, Any] = field(factory=dict[str, Any], repr=False)
    submitted: float | None = field(default=None, repr=False, eq=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False, eq=False)
    """The headers of the response, with names in lower case; empty where it came otherwise."""

    @property
    def request_id(self) -> str | None:
        """The `x-request-id` of the response, for the provider's support; None without one."""
        return self.headers.get("x-request-id")

    @property
    def succeeded(self) -> bool:
        """Whether the task ended with results."""
        if self.status in _DONE:
            return bool(self.urls) or (self.progress or 0) >= _FULL_PROGRESS
        return self.status == COMPLETED

    @property
    def done(self) -> bool:
        """Whether the task will not change any more."""
        return self.succeeded or self.failure is not None

    @property
    def links_expire_at(self) -> float | None:
        """The earliest moment, in unix seconds, at which its links can die."""
        return None if self.created is None else self.created + LINK_LIFETIME

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that `json.dumps` takes. Times are unix seconds."""
        failure = self.failure
        return {
            "id": self.id,
            "status": self.status,
            "done": self.done,
            "succeeded": self.succeeded,
            "model": self.model,
            "progress": self.progress,
            "created": self.created,
            "estimated_time": self.estimated_time,
            "urls": list(self.urls),
            "links_expire_at": self.links_expire_at,
            "failure": failure and {"code": failure.code, "message": failure.message},
            "usage": self.usage,
            "request_id": self.request_id,
            "raw": self.raw,
        }

    @property
    def has_known_status(self) -> bool:
        """Whether the status is a word of the documents."""
        return self.status in _DOCUMENTED


def decode_json(content: bytes) -> Any:
    """Decode the JSON of a response. It can be written again as JSON, and every text be stored.

    A number that JSON doesn't have, such as NaN, and one that is infinite, becomes None.

    Raises:
        ValueError: it isn't JSON, or nests deeper than anything of this API.
    """
    encoding = "utf-8" if content.startswith(b'{"') else json.detect_encoding(content)
    text = content.decode(encoding, "replace")
    return _decode(_FINITE.decode, storable_json(text))


def storable_json(text: str) -> str:
    """Return JSON whose texts can be encoded and stored: U+FFFD is in place of what can't."""
    is_odd = "\\u" in text and _ODD.search(text)
    return _ESCAPE.sub(_storable, text) if is_odd else text


def decode_user_json(text: str | bytes) -> Any:
    """Decode JSON that is no response, such as a file of the user's.

    Raises:
        ValueError: it isn't JSON, or nests deeper than anything of this API.
    """
    return _decode(json.loads, text)


def _decode(decode: Callable[[Any], Any], text: str | bytes) -> Any:
    try:
        return decode(text)
    except RecursionError:
        raise ValueError("its body nests too deeply") from None
    except ValueError as error:
        raise ValueError(f"its body is no JSON ({error})") from None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


_FINITE = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)

# JSON can write half of a surrogate pair, which no file, terminal or database takes, and NUL, which
# PostgreSQL doesn't take.
_ODD = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<odd>u(?:[dD][89a-fA-F][0-9a-fA-F]{2}|0000))|.)",
    re.DOTALL,
)


def _storable(escape: re.Match[str]) -> str:
    return escape[0] if escape["odd"] is None else "\\ufffd"


def parse_snapshot(
    content: bytes, task_id: str | None = None, headers: Mapping[str, str] | None = None
) -> Snapshot:
    """Read a task out of a 200 response; `task_id` is the one that was asked for, if one was.

    It stands in where the body has none. `headers` are those of the response.

    Raises:
        ValueError: the body is no JSON object, names no task, or names another one.
    """
    body = decode_json(content)
    if not isinstance(body, dict):
        raise ValueError("its body is no JSON object")  # noqa: TRY004 - one kind for the caller
    raw = cast("dict[str, Any]", body)
    fields = _with_inner(raw)
    named_id = find_task_id(raw)
    if task_id is not None and named_id is not None and named_id != task_id.strip():
        raise ValueError(f"its body is about task {named_id!r}")
    name = task_id or named_id
    if name is None:
        raise ValueError("its body has no task id")
    status = (_text(fields, "status") or "").strip().lower()
    info = _object(fields, "task_info")
    return Snapshot(
        id=name,
        status=status,
        model=_text(fields, "model"),
        progress=_integer(fields, "progress"),
        created=_integer(fields, "created"),
        estimated_time=_number(info, "estimated_time"),
        urls=_links(raw),
        failure=_failure(fields, status),
        usage=_object(fields, "usage"),
        raw=raw,
        headers={} if headers is None else headers,
    )


_MAX_CREDITS = 1e12


def credits_of(usage: Mapping[str, Any]) -> float | None:
    """Return the credits used, else those reserved; None if neither was reported."""
    cost = usage.get("cost")
    within = cast("Mapping[str, Any]", cost).get("credits") if isinstance(cost, dict) else None
    for reported in (usage.get("credits_used"), within, usage.get("credits_reserved")):
        amount = None if reported is None else _amount(reported)
        if amount is not None:
            return amount
    return None


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _MAX_CREDITS else None


def find_task_id(body: Any) -> str | None:
    """Read the id of the task that a body is about, from where the gateway and proxies put it."""
    outer = _entry(body)
    plain = _id(outer.get("id"))
    if plain is not None:
        return plain
    inner = outer.get("data")
    sources = ((outer, "id", "task_id"), (_entry(inner), "id", "task_id"))
    for source, *names in (*sources, (_entry(next(iter(_list(inner)), None)), "task_id", "id")):
        for name in names:
            found = _id(source.get(name))
            if found is not None:
                return found
    return None


def _id(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value > 0 else None
    return value.strip() or None if isinstance(value, str) else None


def _with_inner(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a task, those included that came in an object `data` of the body."""
    inner = _object(raw, "data")
    return {**inner, **{k: v for k, v in raw.items() if v is not None}} if inner else raw


def _failure(raw: dict[str, Any], status: str) -> TaskFailure | None:
    if status not in _FAILED:
        return None
    error = _object(raw, "error")
    fallback = "request_cancelled" if status in _CANCELLED else "unknown_error"
    code = error.get("code")
    return TaskFailure(
        code=str(code) if isinstance(code, str | int) and code != "" else fallback,
        message=_text(error, "message") or _text(raw, "error") or f"the task is {status}",
    )


def _links(raw: dict[str, Any]) -> tuple[str, ...]:
    inner = _object(raw, "data")
    for source in (raw, inner) if inner else (raw,):
        for name in ("results", "result_data"):
            entries = source.get(name)
            found = tuple(filter(None, map(_link, _list(entries)))) if entries else ()
            if found:
                return found
    return ()


def _link(entry: Any) -> str | None:
    if isinstance(entry, str):
        return entry
    named = _entry(entry)
    return next(filter(None, (_text(named, name) for name in _LINK_NAMES)), None)


def _text(raw: dict[str, Any], name: str) -> str | None:
    value = raw.get(name)
    return value if isinstance(value, str) and value else None


def _number(raw: dict[str, Any], name: str) -> float | None:
    """Read a finite, non-negative number; anything else says nothing."""
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < _MAX_NUMBER else None


def _integer(raw: dict[str, Any], name: str) -> int | None:
    value = _number(raw, name)
    return None if value is None else int(value)


def _object(raw: dict[str, Any], name: str) -> dict[str, Any]:
    return _entry(raw.get(name)) if name in raw else {}


def _entry(value: Any) -> dict[str, Any]:
    entry: Any = value
    return entry if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    entries: Any = value
    return entries if isinstance(value, list) else []


# Beyond this a number is noise: 2**53 is the last integer that every JSON reader agrees on.
_MAX_NUMBER = 2**53
