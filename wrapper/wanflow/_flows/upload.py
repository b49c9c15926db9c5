"""Put local files where the API can fetch them, by the user's own uploader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve

from wanflow._core.effects import InvokeCallback, run_blocking
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
            links[file.path] = _link(file, (yield InvokeCallback(uploader, file.path)))
    body = with_links(order.body, order.local_files, lambda path: links[path])
    model = catalog.models[order.model]
    request = request_builder.build_submit(
        model, body, order.idempotency_key, order.request.base_url
    )
    return evolve(order, body=body, request=request, local_files=())


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
