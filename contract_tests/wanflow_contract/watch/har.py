"""Read the exchanges of a HAR 1.2 file, as browsers, mitmproxy and others write it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from attrs import evolve, field, frozen

from wanflow._urls import split_url
from wanflow.cli.text import counted
from wanflow_contract.watch.recorded import Recorded

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow_contract.support.exchange import Headers
    from wanflow_contract.watch.observer import Observer

_TASK = "task-unified-"
_NO_KEY_RECORDED = "Bearer key-that-was-not-recorded"
_OMITTED = frozenset({"content-length", "transfer-encoding"})


class HarUnusable(Exception):
    """A file isn't a HAR file, or has nothing to judge; the message names it and says why."""


@frozen
class Har:
    """The exchanges of a file, in the order in which they ended, and what was left out.

    `broken` counts entries that can't be read or have no response, `repeated` those that are in
    the file twice.
    """

    path: Path
    entries: list[Recorded] = field(factory=list[Recorded])
    broken: int = 0
    repeated: int = 0


@frozen
class ReadHar:
    """What was judged of a file; `others` counts the entries of other servers."""

    har: Har
    base_url: str
    judged: int
    others: int
    keys_removed: bool

    def lines(self) -> list[str]:
        """Return what a reader should know about the file."""
        counts = {
            "of other servers": self.others,
            "without a response, or unreadable": self.har.broken,
            "repeated": self.har.repeated,
        }
        left = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
        lines = [
            f"{counted(self.judged, 'exchange')} with {self.base_url} read from {self.har.path}"
        ]
        lines += [f"entries left out: {left}"] if left else []
        if self.keys_removed:
            lines.append("the file has no API keys, so nothing is said about access without a key")
        return lines


def read_har(path: Path) -> Har:
    """Read a file.

    Raises:
        HarUnusable: it can't be read, or isn't a HAR file.
    """
    try:
        data = cast("dict[str, Any] | None", json.loads(path.read_bytes().decode("utf-8-sig")))
    except OSError as error:
        raise HarUnusable(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise HarUnusable(f"{path} isn't a HAR file: it isn't JSON ({error})") from error
    log = cast("dict[str, Any] | None", data.get("log") if isinstance(data, dict) else None)
    listed = cast("list[Any] | None", log.get("entries") if isinstance(log, dict) else None)
    if not isinstance(listed, list):
        raise HarUnusable(f"{path} isn't a HAR file: it has no list `log.entries`")
    return _har(path, listed)


def _har(path: Path, listed: list[Any]) -> Har:
    found = list[Recorded]()
    broken = 0
    for one in listed:
        try:
            found.append(_entry(one))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError, OverflowError):
            broken += 1
    whole = [one for one in found if one.status]
    unique = list(dict.fromkeys(whole))
    ordered = sorted(unique, key=lambda one: one.ended)
    return Har(path, ordered, broken + len(found) - len(whole), len(whole) - len(unique))


def judge_har(har: Har, observer: Observer) -> ReadHar:
    """Let an observer judge the exchanges of a file with one server.

    The server is the observer's base URL; without one, that of most requests to the API.

    Raises:
        HarUnusable: there is none.
    """
    base_url = observer.base_url or _server(har, observer)
    observer.base_url = observer.counters.base_url = base_url
    ours = [one for one in har.entries if observer.path_of(one.url)]
    if not ours:
        raise HarUnusable(f"{har.path} has no request to {base_url}")
    removed = not any(_has_key(one) for one in ours)
    others = 0
    for one in har.entries:
        known = bool(observer.path_of(one.url))
        if not known and not observer.knows_file(one.url):
            others += 1
            continue
        shown = _with_key(one) if removed and known else one
        shown.judge(observer)
    return ReadHar(har, base_url, len(har.entries) - others, others, removed)


def _server(har: Har, observer: Observer) -> str:
    found = Counter[str]()
    for one in har.entries:
        path = observer.path_of(one.url)
        base = _base_of(one.url, path)
        if path and base and _is_of_this_api(one, path, observer):
            found[base] += 1
    if not found:
        raise HarUnusable(
            f"{har.path} has no request to the API; name its server by --base-url URL"
        )
    return found.most_common(1)[0][0]


def _base_of(url: str, path: str) -> str:
    parts = split_url(url)
    if parts is None:
        return ""
    plain = path.partition("?")[0]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.removesuffix(plain)}"


def _is_of_this_api(one: Recorded, path: str, observer: Observer) -> bool:
    """Return whether a request names a model or a task of the API; other APIs have its paths."""
    if unquote(path).rpartition("/")[2].startswith(_TASK):
        return True
    try:
        body = cast("dict[str, Any] | None", json.loads(one.sent))
    except (ValueError, RecursionError):
        return False
    model = body.get("model") if isinstance(body, dict) else None
    return isinstance(model, str) and model in observer.contract.catalog.models


def _has_key(one: Recorded) -> bool:
    return any(name.lower() == "authorization" for name, _ in one.request_headers)


def _with_key(one: Recorded) -> Recorded:
    """Return an exchange with the key of an unknown account; browsers remove keys from files."""
    return evolve(one, request_headers=(*one.request_headers, ("Authorization", _NO_KEY_RECORDED)))


def _entry(data: Any) -> Recorded:
    request, response = data["request"], data["response"]
    started = datetime.fromisoformat(data["startedDateTime"]).timestamp()
    content, known = _content(response.get("content") or {})
    sent, sent_known = _sent(request)
    took = float(data.get("time") or 0)
    return Recorded(
        method=_text(request["method"]),
        url=_url(request["url"]),
        request_headers=_headers(request.get("headers")),
        sent=sent,
        status=int(response.get("status") or 0),
        headers=tuple(
            one for one in _headers(response.get("headers")) if one[0].lower() not in _OMITTED
        ),
        content=content,
        started=started,
        ended=started + max(0.0, took) / 1000,
        complete=known and sent_known,
        encoded=False,
    )


def _url(value: Any) -> str:
    """Return a URL whose parts can be read.

    Raises:
        ValueError: they can't.
    """
    parts = split_url(_text(value))
    if parts is None:
        raise ValueError(f"{value} is no URL")
    _ = parts.hostname, parts.port
    return parts.geturl()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _headers(listed: Any) -> Headers:
    pairs = [(_text(one["name"]), _text(one["value"])) for one in listed or ()]
    return tuple(one for one in pairs if not one[0].startswith(":"))  # HTTP/2's own


def _sent(request: Any) -> tuple[bytes, bool]:
    """Return the body of a request, and whether it is known."""
    posted = request.get("postData")
    if not posted:
        size = request.get("bodySize") or 0
        return b"", not (isinstance(size, int) and size > 0)
    text = posted.get("text")
    if not isinstance(text, str):
        return b"", False
    return _bytes(text, posted.get("encoding")), True


def _content(content: Any) -> tuple[bytes, bool]:
    """Return the body of a response, and whether it is known as a whole."""
    text, size = content.get("text"), content.get("size")
    if not isinstance(text, str):
        return b"", not (isinstance(size, int) and size > 0)
    found = _bytes(text, content.get("encoding"))
    cut = isinstance(size, int) and len(found) < size and "\ufffd" not in text
    return found, not cut


def _bytes(text: str, encoding: Any) -> bytes:
    if encoding == "base64":
        return b64decode(text, validate=True)
    return text.encode("utf-8", "surrogatepass")
