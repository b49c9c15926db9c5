"""Writes each exchange into the file of the life that it belongs to."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import OrderedDict
from email.utils import parsedate_to_datetime
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import define, field, frozen

from wanflow import _regular_file
from wanflow.catalog.document import is_array, is_object
from wanflow.mock.recording.bounds import is_shallow, media_type
from wanflow.mock.recording.life import BODY, PATTERN, Answer, Download, Life
from wanflow.mock.recording.scrub import Scrubber, Subject, ending_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wanflow.mock.recording.vocabulary import Vocabulary

_MOST_OPEN = 10_000
_NUMBER = re.compile(r"life-([0-9]{6})\.json", re.ASCII)
_MAX_SECONDS = 10**6


class FolderInUse(OSError):
    """Another process records into the folder."""


@frozen
class Forwarded:
    """A request that was forwarded, and its response.

    `path` is the one of the spec; `headers` and `sent_headers` have names in small letters;
    `started` and `ended` are Unix times, `moment` is the monotonic time of the end.
    """

    method: str
    path: str
    query: str = field(repr=False)
    sent_headers: dict[str, str] = field(repr=False)
    sent: bytes = field(repr=False)
    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    content: bytes = field(repr=False)
    started: float
    ended: float
    moment: float

    @property
    def account(self) -> bytes:
        """A digest of the key, empty without one."""
        key = self.sent_headers.get("authorization", "")
        return sha256(key.encode()).digest() if key else b""


@define(eq=False)
class OpenLife:
    """A life that is still recorded, with what is never written."""

    life: Life
    path: Path
    subject: Subject
    moment: float
    account: bytes = field(repr=False)
    written: bool = False


@define(eq=False)
class Recorder:
    """Records lives into a folder, which no other process may record into; threads may share it.

    `lives` counts those that were written, `skipped` polls that belong to no recorded submission.
    `problem` says why a file could not be written; the first time it is also printed.

    Raises:
        FolderInUse: another process records into the folder.
        OSError: the folder can't be made.
    """

    folder: Path
    vocabulary: Vocabulary = field(repr=False)
    lives: int = 0
    skipped: int = 0
    problem: str = ""
    _open: OrderedDict[str, OpenLife] = field(factory=OrderedDict[str, OpenLife], repr=False)
    _scrubber: Scrubber = field(init=False, repr=False)
    _lock: RLock = field(factory=RLock, repr=False)
    _claim: BinaryIO = field(init=False, repr=False)
    _next: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Own the folder, and number on from the lives that it has."""
        self._scrubber = Scrubber(self.vocabulary)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim = _regular_file.open_regular(self.folder / ".lock", os.O_RDWR | os.O_CREAT)
        if not _regular_file.try_lock(self._claim, if_unsupported=True):
            self._claim.close()
            raise FolderInUse(f"another process records into {self.folder}")
        found = (_NUMBER.fullmatch(one.name) for one in self.folder.glob(PATTERN))
        self._next = max((int(one[1]) for one in found if one), default=0) + 1

    def submission(
        self, exchange: Forwarded, findings: list[dict[str, str]] | None
    ) -> OpenLife | None:
        """Record a submission; a response with a task that is known already begins no life."""
        body, sent = _decoded(exchange.content), _decoded(exchange.sent)
        named = body.get("id") if is_object(body) else None
        task_id = named if isinstance(named, str) and named else None
        with self._lock:
            if task_id is not None and task_id in self._open:
                return None
            subject = Subject(exchange.ended, task_id, private=_private(exchange, sent))
            life = Life(
                path=exchange.path,
                authorized=bool(exchange.account),
                request=self._scrubber.request(sent) if is_object(sent) else None,
                submission=self._answer(exchange, subject, exchange.moment),
            )
            path = self.folder / f"life-{self._next:06d}.json"
            self._next += 1
            one = OpenLife(life, path, subject, exchange.moment, exchange.account)
            if task_id is not None:
                self._open[task_id] = one
                if len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
            self._finish(one, findings)
            return one

    def poll(
        self, exchange: Forwarded, task_id: str, findings: list[dict[str, str]] | None
    ) -> tuple[OpenLife, list[str]] | None:
        """Record a poll; return its life with the links that are new in it."""
        with self._lock:
            one = self._open.get(task_id)
            if one is None or one.account != exchange.account:
                self.skipped += 1
                return None
            before = len(one.subject.links)
            own = one.subject
            subject = Subject(
                own.began, own.task_id, own.links, {*own.private, *_private(exchange, None)}
            )
            answer = self._answer(exchange, subject, one.moment)
            polls = one.life.polls
            merged = polls[-1].repeated(answer) if polls else None
            polls[len(polls) - (merged is not None) :] = [merged or answer]
            self._finish(one, findings)
            return one, own.links[before:]

    def download(self, one: OpenLife, link: str, status: int, kind: str, size: int | None) -> None:
        """Record the head of a file."""
        with self._lock:
            at = round(max(0.0, time.monotonic() - one.moment), 3)
            index = one.subject.links.index(link)
            one.life.downloads.append(Download(index, at, status, media_type(kind), size))
            self._finish(one, None)

    def close(self) -> None:
        """Let others record into the folder."""
        self._claim.close()

    def _answer(self, exchange: Forwarded, subject: Subject, began: float) -> Answer:
        body = _decoded(exchange.content)
        scrubbed = self._scrubber.response(body, subject)
        at = round(max(0.0, exchange.moment - began), 3)
        kept = {BODY: len(exchange.content)} if body is None else scrubbed
        return Answer(at, exchange.status, dict(_headers(exchange)), kept, at)

    def _finish(self, one: OpenLife, findings: list[dict[str, str]] | None) -> None:
        life = one.life
        links = one.subject.links
        life.links = [[link.partition("://")[0].lower(), ending_of(link)] for link in links]
        if findings is not None:
            pointer = self._scrubber.pointer
            safe = [{**each, "pointer": pointer(each["pointer"])} for each in findings]
            life.findings = [*(life.findings or ()), *safe]
        try:
            life.write(one.path)
        except OSError as error:
            problem = f"{one.path} can't be written: {error.strerror or error}"
            if not self.problem:
                sys.stderr.write(f"wanflow mock: {problem}\n")
            self.problem = problem
            return
        self.lives += not one.written
        one.written = True


def _decoded(content: bytes) -> Any:
    """Return decoded JSON, None for anything else, and for what is too deep to be read again."""
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return body if is_shallow(body) else None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _headers(exchange: Forwarded) -> Iterator[tuple[str, str]]:
    """Yield the response headers that a client acts on, in forms that hold no text."""
    for name, value in exchange.headers:
        if name == "content-type":
            yield name, media_type(value)
        elif name == "retry-after" and (seconds := _seconds(value, exchange.ended)) is not None:
            yield name, str(seconds)
        elif name == "idempotency-replayed" and value in {"true", "false"}:
            yield name, value


def _seconds(value: str, now: float) -> int | None:
    try:
        late = int(value) if value.isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return round(late) if 0 <= late < _MAX_SECONDS else None


def _private(exchange: Forwarded, sent: Any) -> frozenset[str]:
    """Return the words of what only the client knows: its texts, headers and query."""
    texts = list(_texts(sent)) if sent is not None else [exchange.sent.decode("utf-8", "replace")]
    return words_of(*texts, exchange.query, *_own(exchange.sent_headers))


_PUBLIC = frozenset({"accept", "accept-encoding", "content-type", "content-length", "user-agent"})


def _own(headers: dict[str, str]) -> Sequence[str]:
    return [value for name, value in headers.items() if name not in _PUBLIC]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    inner = value.values() if is_object(value) else value if is_array(value) else ()
    for one in inner:
        yield from _texts(one)
