"""Put local files where the API can fetch them, by the user's own uploader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve

from wanflow._core.effects import Notify, act
from wanflow._core.local_files import with_links
from wanflow._core.media_rules import audio_advice, violations_of_file
from wanflow._core.url_rules import why_not_fetchable
from wanflow._core.validation import refuse
from wanflow._flows import request_builder
from wanflow.catalog.keywords import AUDIO_FILE
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow._core.local_files import LocalFile
    from wanflow._core.storage import Storage
    from wanflow._flows.prepare import Order
    from wanflow.catalog.catalog import Catalog
    from wanflow.catalog.violation import Violation

    Uploader: TypeAlias = Callable[[Path], Any] | None

# Far more than any file that the documents allow.
_LARGEST = 256 * 1024 * 1024


def upload(order: Order, uploader: Uploader, catalog: Catalog, storage: Storage) -> Flow[Order]:
    """Check and upload the local files of an order → the order with their links.

    Raises:
        InvalidRequest: there is no uploader, a file can't be read or breaks a rule, or what the
            uploader gave is no link.
    """
    if uploader is None:
        raise InvalidRequest(_no_uploader(order))
    if order.checked:
        order = yield from _checked(order, storage)
    links: dict[Path, str] = {}
    for file in order.uploads:
        if file.path not in links:
            links[file.path] = _link(file, (yield Notify(uploader, file.path)))
    body = with_links(order.body, order.uploads, lambda path: links[path])
    model = catalog.models[order.model]
    request = request_builder.submission(model, body, order.idempotency_key)
    return evolve(order, body=body, request=request, uploads=())


def _checked(order: Order, storage: Storage) -> Flow[Order]:
    found: list[Violation] = []
    advice = list(order.advice)
    for file in order.uploads:
        content = yield from act(lambda file=file: _read(file, storage))  # type: ignore[misc]
        found += violations_of_file(file.rule, file.parameter, content)
        if AUDIO_FILE in file.rule:
            said = audio_advice(file.parameter, content, order.body.get("duration"))
            advice += [said] if said else []
    refuse(order.model, found)
    return evolve(order, advice=tuple(advice))


def _read(file: LocalFile, storage: Storage) -> bytes:
    try:
        content = storage.read_file(file.path, _LARGEST)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidRequest(
            f"{file.parameter}: {file.path} is no URL, and no file that can be read: {reason}"
        ) from None
    if content is None:
        raise InvalidRequest(f"{file.parameter}: {file.path} is larger than {_LARGEST} bytes")
    return content


def _link(file: LocalFile, link: Any) -> str:
    reason = why_not_fetchable(link) if isinstance(link, str) else "it is no text"
    if reason is not None:
        raise InvalidRequest(f"the uploader gave {link!r} for {file.path}: {reason}")
    return str(link)


def _no_uploader(order: Order) -> str:
    file = order.uploads[0]
    return (
        f"{order.model}: {file.parameter} takes URLs, and {str(file.path)!r} is none; to send a "
        "local file, make the client with uploader=… (a function from a path to its URL)"
    )
