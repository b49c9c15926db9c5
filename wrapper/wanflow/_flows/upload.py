"""Put local files where the API can fetch them, by the user's own uploader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from attrs import evolve

from wanflow._core.effects import InvokeCallback, read_clock, run_blocking
from wanflow._core.event_kinds import emit, kinds
from wanflow._core.local_files import with_links
from wanflow._core.url_rules import url_problem
from wanflow._core.validation import raise_violations
from wanflow._flows import request_builder
from wanflow._flows.file_checks import check_files
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow._core.local_files import LocalFile
    from wanflow._core.storage import Storage
    from wanflow._flows.prepare import PreparedRequest
    from wanflow.catalog.catalog import Catalog

    Uploader: TypeAlias = Callable[[Path], Any] | None


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
            links[file.path] = yield from _upload(order, file, uploader)
    body = with_links(order.body, order.local_files, lambda path: links[path])
    model = catalog.models[order.model]
    request = request_builder.build_submit(
        model, body, order.idempotency_key, order.request.base_url
    )
    return evolve(order, body=body, request=request, local_files=())


def _upload(order: PreparedRequest, file: LocalFile, uploader: Callable[[Path], Any]) -> Flow[str]:
    """Upload a file, and emit the events of it."""
    about = _EventFields(
        parameter=file.parameter, path=str(file.path), idempotency_key=order.idempotency_key
    )
    start = (yield from read_clock()).monotonic
    yield from emit(kinds.UploadStarted, operation="upload", **about)
    try:
        link = _link(file, (yield InvokeCallback(uploader, file.path)))
    except GeneratorExit:
        raise
    except BaseException as error:
        duration = (yield from read_clock()).monotonic - start
        name = type(error).__name__
        yield from emit(
            kinds.UploadFailed, operation="upload", duration=duration, error=name, **about
        )
        raise
    duration = (yield from read_clock()).monotonic - start
    yield from emit(kinds.Uploaded, operation="upload", duration=duration, **about)
    return link


class _EventFields(TypedDict):
    parameter: str
    path: str
    idempotency_key: str


def _checked(order: PreparedRequest, storage: Storage) -> Flow[PreparedRequest]:
    files, duration = order.local_files, order.body.get("duration")
    violations, warnings = yield from run_blocking(lambda: check_files(files, duration, storage))
    raise_violations(order.model, violations)
    return evolve(order, warnings=(*order.warnings, *warnings))


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
