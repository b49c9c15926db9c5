"""Judge the downloads of results, as far as they were received."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

import httpx
from attrs import define, field

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.files import PART, SAME_FILE
from wanflow_contract.checks.file_checks import check_file, check_requested, redirect_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.exchange import Exchange

_MOST_LINKS = 20_000
_DAY = 86_400.0
# What a server of files says of its load, of a client's copy, or of a part that was asked for.
_NOT_OF_THE_FILE = frozenset({304, 408, 412, 416, 425, 429, 502, 503, 504})


@define(eq=False)
class FileJudge:
    """The result URLs that were seen, with their tasks; a redirect leads to another URL of one."""

    _tasks: Mapping[str, TaskHistory]
    _owners: OrderedDict[str, str] = field(factory=OrderedDict)
    _lengths: dict[str, tuple[int, int]] = field(factory=dict)

    def add(self, history: TaskHistory) -> None:
        """Add the result URLs of a task."""
        for link in history.links:
            if isinstance(link, str):
                self._add(link, history.id)

    def _add(self, link: str, task_id: str) -> None:
        self._owners[_normal(link)] = task_id
        while len(self._owners) > _MOST_LINKS:
            old, _ = self._owners.popitem(last=False)
            self._lengths.pop(old, None)

    def knows(self, url: str) -> bool:
        """Return whether a URL is that of a result of a known task."""
        return self._owners.get(_normal(url)) in self._tasks

    def judge(self, exchange: Exchange, now: float, complete: bool) -> None:
        """Check the response of a result URL.

        Raises:
            CheckFailed: it isn't the file that was requested.
        """
        url = _normal(exchange.url)
        history = self._tasks[self._owners[url]]
        onward = exchange.header("location")
        if exchange.status in {301, 302, 303, 307, 308} and onward is not None:
            self._add(redirect_target(history, exchange, onward), history.id)
        elif exchange.status == 206:
            self._check_part(url, history, exchange, complete)
        elif exchange.status >= 300:
            if exchange.status not in _NOT_OF_THE_FILE and _age(history, now) < _DAY:
                check_file(history, exchange)
        elif complete:
            with independent():
                check_file(history, exchange)
            with independent():
                check_requested(history, exchange.content)
            self._check_same(url, history, exchange)

    def _check_same(self, url: str, history: TaskHistory, exchange: Exchange) -> None:
        found = (len(exchange.content), hash(exchange.content))
        before = self._lengths.setdefault(url, found)
        SAME_FILE.require(
            before == found, "other bytes on the second download", history.last, exchange
        )

    def _check_part(
        self, url: str, history: TaskHistory, exchange: Exchange, complete: bool
    ) -> None:
        """Check that a 206 has the part that its request names; parts of other forms are not."""
        asked = (exchange.sent_header("range") or "").replace(" ", "")
        first, _, last = asked.removeprefix("bytes=").partition("-")
        said = exchange.header("content-range") or ""
        if not first.isdigit() or (last and not last.isdigit()) or not said.startswith("bytes "):
            return
        part, _, whole = said.removeprefix("bytes ").partition("/")
        begin, _, end = part.partition("-")
        PART.require(begin == first, said, history.last, exchange, shape="another part")
        if complete and begin.isdigit() and end.isdigit():
            right = len(exchange.content) == int(end) - int(begin) + 1
            PART.require(right, said, history.last, exchange, shape="another length")
        known = self._lengths.get(url)
        if known is not None and whole.isdigit():
            right = int(whole) == known[0]
            PART.require(right, said, history.last, exchange, shape="another file")


def _age(history: TaskHistory, now: float) -> float:
    created = history.receipt.get("created")
    return now - created if isinstance(created, int | float) else 0.0


@lru_cache(4096)
def _normal(url: str) -> str:
    """Return a URL as httpx sends it, without a fragment."""
    with suppress(httpx.InvalidURL, ValueError, UnicodeError):
        return str(httpx.URL(url).copy_with(fragment=None))
    return url
