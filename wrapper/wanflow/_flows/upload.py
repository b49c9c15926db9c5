"""Put local files where the API can fetch them, by the user's own uploader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve

from wanflow._core.effects import InvokeCallback, run_blocking
from wanflow._core.local_files import with_links
from wanflow._core.media_rules import audio_warning, violations_of_file
from wanflow._core.url_rules import url_problem
from wanflow._core.validation import raise_violations
from wanflow._flows import request_builder
from wanflow.catalog.keywords import AUDIO_FILE
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow._core.local_files import LocalFile
    from wanflow._core.storage import Storage
    from wanflow._flows.prepare import PreparedRequest
    from wanflow.catalog.catalog import Catalog
    from wanflow.catalog.violation import Violation

    Uploader: TypeAlias = Callable[[Path], Any] | None

# Far more than any file that the documents allow.
_LARGEST = 256 * 1024 * 1024


def upload(
    order: PreparedRequest, uploader: Uploader, catalog: Catalog, storage: Storage
) -> Flow[PreparedRequest]:
    """Check and upload the local files of an order → the order with their links.

    Raises:
        InvalidRequest: there is no uploader, a file can't be read or breaks a rule, or what the
            uploader gave is no link.
    """
    if uploader is None:
        raise InvalidRequest(_no_uploader(order))
    if order.validated:
        order = yield from _checked(order, storage)
    links: dict[Path, str] = {}
    for file in order.local_files:
        if file.path not in links:
            links[file.path] = _link(file, (yield InvokeCallback(uploader, file.path)))
    body = with_links(order.body, order.local_files, lambda path: links[path])
    model = catalog.models[order.model]
    request = request_builder.build_submit(model, body, order.idempotency_key)
    return evolve(order, body=body, request=request, local_files=())


def _checked(order: PreparedRequest, storage: Storage) -> Flow[PreparedRequest]:
    found: list[Violation] = []
    advice = list(order.warnings)
    for file in order.local_files:
        content = yield from run_blocking(lambda file=file: _read(file, storage))  # type: ignore[misc]
        found += violations_of_file(file.rule, file.parameter, content)
        if AUDIO_FILE in file.rule:
            said = audio_warning(file.parameter, content, order.body.get("duration"))
            advice += [said] if said else []
    raise_violations(order.model, found)
    return evolve(order, warnings=tuple(advice))


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
    reason = url_problem(link) if isinstance(link, str) else "it is no text"
    if reason is not None:
        raise InvalidRequest(f"the uploader gave {link!r} for {file.path}: {reason}")
    return str(link)


def _no_uploader(order: PreparedRequest) -> str:
    file = order.local_files[0]
    return (
        f"{order.model}: {file.parameter} takes URLs, and {str(file.path)!r} is none; to send a "
        "local file, make the client with uploader=… (a function from a path to its URL)"
    )
