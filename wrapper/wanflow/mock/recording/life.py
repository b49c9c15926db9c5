"""A recorded life: a submission, the polls of its task, and the heads of its files; its format."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, evolve, field, frozen

from wanflow import _regular_file
from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.mock.recording import scrub
from wanflow.mock.recording.bounds import MOST_DEPTH, OTHER_TYPE, is_shallow, media_type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT, VERSION = "wanflow-life", 1
PATTERN = "life-*.json"
HEADERS = ("content-type", "retry-after", "idempotency-replayed")
"""The response headers that are recorded: those that a client acts on."""
BODY = "$body"
"""In place of a body that isn't JSON: its size in bytes."""
_MAX_BYTES = 64 * 1024 * 1024
_MOST = 10**14
_MORE_LEVELS = 5  # of the file, around a body, and of placeholders in it


class LifeUnreadable(ValueError):
    """A file isn't a recorded life; the message says which, and why."""


@frozen
class Answer:
    """A response, `at` seconds after that of the submission.

    Equal responses to consecutive polls are one answer: `until` is the time of the last, `count`
    their number. A body that isn't JSON is `{BODY: BYTES}`.
    """

    at: float
    status: int
    headers: dict[str, str]
    body: Any = field(repr=False)
    until: float = 0.0
    count: int = 1

    def repeated(self, later: Answer) -> Answer | None:
        """Return this answer with an equal later one added, None if that differs."""
        same = (self.status, self.headers, self.body) == (later.status, later.headers, later.body)
        return evolve(self, until=later.at, count=self.count + 1) if same else None


@frozen
class Download:
    """The head of a file: its status, its media type, and its size if that is known."""

    link: int
    at: float
    status: int
    content_type: str
    bytes: int | None


@define
class Life:
    """A submission and what came of it; nothing in it is secret.

    `request` is None if it wasn't a JSON object; `links` has the scheme and the file name
    extension of each link; `findings` are the checks of the contract suite that failed, None if
    nothing was judged.
    """

    path: str
    authorized: bool
    request: Any = field(repr=False)
    submission: Answer
    polls: list[Answer] = field(factory=list[Answer])
    links: list[list[str]] = field(factory=list[list[str]])
    downloads: list[Download] = field(factory=list[Download])
    findings: list[dict[str, str]] | None = None

    def answer_at(self, elapsed: float) -> Answer | None:
        """Return the latest poll at a time since the submission; before all of them, the first."""
        earlier = [one for one in self.polls if one.at <= elapsed + 1e-6]
        return earlier[-1] if earlier else next(iter(self.polls), None)

    def write(self, path: Path) -> None:
        """Write the life in one step.

        Raises:
            OSError: the system refuses.
        """
        data = {"format": FORMAT, "version": VERSION, **asdict(self)}
        content = json.dumps(data, indent=1).encode() + b"\n"
        _regular_file.write_atomically(path, content, durable=False)


def read_lives(folder: Path) -> Iterator[Life]:
    """Read the lives of a folder in the order in which they were recorded.

    Raises:
        LifeUnreadable: the folder has none, or a file of it isn't one.
    """
    paths = sorted(folder.glob(PATTERN))
    if not paths:
        raise LifeUnreadable(f"there are no recorded lives ({PATTERN}) in {folder}")
    for path in paths:
        try:
            yield _life(json.loads(_regular_file.read(path, _MAX_BYTES)))
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise LifeUnreadable(f"{path} isn't a recorded life: {error}") from error


def _life(data: Any) -> Life:
    if not is_object(data) or data.get("format") != FORMAT:
        raise ValueError(f'it has no "format": "{FORMAT}"')
    if _is(int, data, "version") != VERSION:
        raise ValueError(f"its version is {data['version']!r}, and only {VERSION} is known")
    if not is_shallow(data, MOST_DEPTH + _MORE_LEVELS):
        raise ValueError(f"its bodies are more than {MOST_DEPTH} levels deep")
    links = [_link(one) for one in _is(list, data, "links")]
    return Life(
        path=_is(str, data, "path"),
        authorized=_is(bool, data, "authorized"),
        request=_is(object, data, "request"),
        submission=_answer(_is(dict, data, "submission"), len(links)),
        polls=[_answer(one, len(links)) for one in _is(list, data, "polls")],
        links=links,
        downloads=[_download(one, len(links)) for one in _is(list, data, "downloads")],
        findings=data.get("findings"),
    )


def _check_placeholders(value: Any, links: int) -> None:
    """Check that each placeholder is one that the recorder writes.

    Raises:
        ValueError: one isn't.
    """
    if is_array(value):
        for one in value:
            _check_placeholders(one, links)
    if not is_object(value):
        return
    for name, one in value.items():
        if name.startswith("$") and not _is_placeholder(name, one, links):
            raise ValueError(f"{name} has the value {one!r:.100}")
        _check_placeholders(one, links)


def _is_placeholder(name: str, value: Any, links: int) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in {scrub.TIME, scrub.MILLISECONDS}:
        return number and abs(value) < _MOST
    if name == scrub.TASK_ID:
        return value is True
    known = {scrub.TEXT: _MOST, BODY: _MOST, scrub.LINK: links}
    return isinstance(value, int) and number and 0 <= value < known.get(name, 0)


def _link(value: Any) -> list[str]:
    scheme, ending = value if is_array(value) and len(value) == 2 else ("", "")  # noqa: PLR2004
    if str(scheme) not in scrub.SCHEMES or str(ending) not in {"", *scrub.ENDINGS}:
        raise ValueError(f"a link must be a scheme and a file name extension, not {value!r:.100}")
    return [scheme, ending]


def _answer(data: Any, links: int) -> Answer:
    headers, body = _is(dict, data, "headers"), _is(object, data, "body")
    for name, value in headers.items():
        if name not in HEADERS or not isinstance(value, str) or not value.isprintable():
            raise ValueError(f"headers must be printable texts named {', '.join(HEADERS)}")
    _check_kind(headers.get("content-type", OTHER_TYPE))
    _check_placeholders(body, links)
    return Answer(
        at=_seconds(data, "at"),
        status=_status(data),
        headers=headers,
        body=body,
        until=_seconds(data, "until"),
        count=_is(int, data, "count"),
    )


def _download(data: Any, links: int) -> Download:
    link, kind, size = _is(int, data, "link"), _is(str, data, "content_type"), data.get("bytes")
    if not 0 <= link < links:
        raise ValueError(f"link must be the place of a link, not {link!r:.100}")
    _check_kind(kind)
    return Download(
        link=link,
        at=_seconds(data, "at"),
        status=_status(data),
        content_type=kind,
        bytes=None if size is None else max(0, _is(int, data, "bytes")),
    )


def _check_kind(kind: str) -> None:
    if media_type(kind) != kind:
        raise ValueError(f"a media type must be one that is recorded, not {kind!r:.100}")


def _status(data: JsonObject) -> int:
    status: int = _is(int, data, "status")
    if not 200 <= status <= 599:  # noqa: PLR2004 - final statuses of HTTP
        raise ValueError(f"status must be from 200 to 599, not {status!r:.100}")
    return status


def _seconds(data: JsonObject, name: str) -> float:
    value = _is(object, data, name)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not (known and abs(value) < _MOST and isfinite(value)):
        raise ValueError(f"{name} must be a number of seconds, not {value!r:.100}")
    return float(value)


def _is(kind: type, data: Any, name: str) -> Any:
    if not is_object(data) or name not in data:
        raise ValueError(f"it has no {name}")
    value = data[name]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{name} must be of type {kind.__name__}, not {value!r:.100}")
    return value
