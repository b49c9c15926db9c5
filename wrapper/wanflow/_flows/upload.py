"""Upload the local files of a request: check all, upload each once, and put links in their place.

Whatever fails or is interrupted here, nothing was sent to the API.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from attrs import evolve, frozen

from wanflow._core.effects import (
    InvokeCallback,
    WakeHandle,
    read_clock,
    run_blocking,
    sleep,
    with_lock,
)
from wanflow._core.event_kinds import emit, emit_timed, kinds
from wanflow._core.link_expiry import expiry_problem
from wanflow._core.local_files import with_links
from wanflow._core.request_warnings import fetch_problem
from wanflow._core.uploads import (
    FileUpload,
    UploadedLink,
    Uploads,
    resolve_references,
    returned_link,
)
from wanflow._core.url_rules import url_problem
from wanflow._core.validation import raise_violations
from wanflow._flows import request_builder
from wanflow._flows.file_checks import check_files
from wanflow._flows.prepare import UploadedFiles
from wanflow.errors import (
    ConfigurationError,
    InvalidRequest,
    SubmitUncertain,
    UploadFailed,
    WanflowError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow._core.effects import Flow, Request
    from wanflow._core.local_files import LocalFile
    from wanflow._core.recorder import Recorder
    from wanflow._core.storage import Storage
    from wanflow._flows.prepare import PreparedRequest
    from wanflow.catalog.catalog import Catalog

    Found: TypeAlias = list[tuple[LocalFile, FileUpload]]

# Seconds after which a flow checks again whether another one has uploaded the same file.
_RECHECK = 1.0


@frozen
class Uploading:
    """What uploads need: the client's uploader, files and record, and the URL of its API."""

    uploads: Uploads
    catalog: Catalog
    storage: Storage
    recorder: Recorder | None
    base_url: str

    def upload(self, order: PreparedRequest) -> Flow[PreparedRequest]:
        """Check and upload the local files of a request → the request with their links.

        Raises:
            InvalidRequest: a file can't be read or breaks a rule, or has changed since its check,
                or the uploader returned no link that can be used.
            ConfigurationError: what the uploader needs isn't installed or set.
            UploadFailed: the uploader raised an exception.
            SubmitUncertain: the submission may have been accepted before, and can't be repeated.
        """
        try:
            order, found = yield from run_blocking(lambda: identify(order, self))
            links = yield from self._links(order, found)
        except (GeneratorExit, WanflowError):
            raise
        except BaseException as error:
            error.add_note("a local file was being uploaded; nothing was sent to the API")
            raise
        assert order.uploaded is not None
        by_pointer = {file.pointer: links[upload.reference].url for file, upload in found}
        problems = dict.fromkeys(
            _link_problem(self.base_url, *one)
            for one in zip((file for file, _ in found), by_pointer.values(), strict=True)
        )
        body = with_links(
            order.uploaded.body, order.local_files, lambda file: by_pointer[file.pointer]
        )
        return evolve(
            order,
            request=_request(order, self.catalog, body),
            local_files=(),
            warnings=(
                *order.warnings,
                *filter(None, problems),
            ),
            uploaded=evolve(order.uploaded, links=links),
        )

    def _links(self, order: PreparedRequest, found: Found) -> Flow[dict[str, UploadedLink]]:
        """Return the links by reference: those that it was sent with before, else new ones."""
        earlier = yield from self._earlier_links(order, {one.reference for _, one in found})
        if earlier:
            return earlier
        links: dict[str, UploadedLink] = {}
        for file, upload in found:
            if upload.reference not in links:
                links[upload.reference] = yield from self._link(order, file, upload)
        return links

    def _earlier_links(
        self, order: PreparedRequest, wanted: set[str]
    ) -> Flow[dict[str, UploadedLink]]:
        key, recorder = order.idempotency_key, self.recorder
        known = self.uploads.pinned.get(key, {})
        if not known and recorder is not None:
            known = yield from run_blocking(lambda: recorder.uploaded_links(key))
        if set(known) != wanted:
            return {}
        now = (yield from read_clock()).wall
        for link in known.values():
            problem = _expiry_problem(link, now)
            if problem is not None:
                raise _not_repeatable(order, problem)
        return dict(known)

    def _link(
        self, order: PreparedRequest, file: LocalFile, upload: FileUpload
    ) -> Flow[UploadedLink]:
        """Return the link of a file that this client has uploaded, or uploads now."""
        uploads, digest, link = self.uploads, upload.sha256, None
        waker, now = WakeHandle(), 0.0
        try:
            while True:
                now = (yield from read_clock()).wall
                begun = yield from with_lock(
                    lambda now=now: uploads.begin(digest, now, waker)  # type: ignore[misc]
                )
                if isinstance(begun, UploadedLink):
                    return begun
                if begun:
                    link = yield from self._upload_one(order, file, upload)
                    return link
                yield from sleep(_RECHECK, waker=waker)
        finally:
            uploads.end(digest, waker, link, now)

    def _upload_one(
        self, order: PreparedRequest, file: LocalFile, upload: FileUpload
    ) -> Flow[UploadedLink]:
        """Upload a file, and emit the events of it."""
        about = _EventFields(
            parameter=file.parameter, path=file.shown, idempotency_key=order.idempotency_key
        )
        start = (yield from read_clock()).monotonic
        yield from emit(kinds.UploadStarted, operation="upload", **about)
        try:
            link = yield from self._invoke(file, upload)
        except GeneratorExit:
            raise
        except BaseException as error:
            name = type(error).__name__
            yield from emit_timed(
                kinds.UploadFailed, start, operation="upload", error=name, **about
            )
            raise
        yield from emit_timed(kinds.Uploaded, start, operation="upload", **about)
        return link

    def _invoke(self, file: LocalFile, upload: FileUpload) -> Flow[UploadedLink]:
        try:
            value = yield from _invoke(self.uploads.uploader, file, upload)
        except WanflowError:
            raise
        except Exception as error:
            # Its text may have a link or a credential in it.
            raise UploadFailed(
                f"{file.parameter}: {file.shown} was not uploaded: the uploader raised "
                f"{type(error).__name__}; nothing was sent, and nothing was charged"
            ) from error
        if not hasattr(self.uploads.uploader, "upload"):
            yield from run_blocking(lambda: self._require_unchanged(file, upload))
        return _checked_link(file, value, (yield from read_clock()).wall)

    def _require_unchanged(self, file: LocalFile, upload: FileUpload) -> None:
        """Check that a file that a function has read is still what was checked before.

        Raises:
            InvalidRequest: it isn't.
        """
        contents = check_files([file], None, self.storage, validate=False).contents
        if [FileUpload.of(content).sha256 for content in contents] != [upload.sha256]:
            raise InvalidRequest(
                f"{file.parameter}: {file.shown} has changed while it was uploaded"
            )


def with_earlier_links(
    order: PreparedRequest, catalog: Catalog, links: Mapping[str, UploadedLink]
) -> PreparedRequest:
    """Return a recorded request as it was sent: with these links in place of its references."""
    content = order.request.content or b""
    request = _request(order, catalog, resolve_references(order.body, links))
    return evolve(order, request=request, uploaded=UploadedFiles(order.body, content, links))


def identify(order: PreparedRequest, uploading: Uploading) -> tuple[PreparedRequest, Found]:
    """Read and check the files of a request → the request as it is identified; this blocks.

    Raises:
        InvalidRequest: a file can't be read, breaks a rule, or has changed since its last check.
    """
    files = order.local_files
    checked = check_files(
        files, order.body.get("duration"), uploading.storage, validate=order.validated
    )
    raise_violations(order.model, checked.violations)
    found = [
        (file, FileUpload.of(content))
        for file, content in zip(files, checked.contents, strict=True)
    ]
    for file, upload in found:
        if file.sha256 not in {None, upload.sha256}:
            raise InvalidRequest(f"{file.parameter}: {file.shown} has changed since it was checked")
    references = {file.pointer: upload.reference for file, upload in found}
    body = with_links(order.body, files, lambda file: references[file.pointer])
    content = _request(order, uploading.catalog, body).content or b""
    order = evolve(
        order,
        local_files=tuple(evolve(file, sha256=upload.sha256) for file, upload in found),
        warnings=(*order.warnings, *checked.warnings),
        uploaded=UploadedFiles(body, content),
    )
    return order, found


class _EventFields(TypedDict):
    parameter: str
    path: str
    idempotency_key: str


def _request(order: PreparedRequest, catalog: Catalog, body: Mapping[str, Any]) -> Request:
    model, base_url = catalog.models[order.model], order.request.base_url
    return request_builder.build_submit(model, body, order.idempotency_key, base_url)


def _link_problem(base_url: str, file: LocalFile, url: str) -> str:
    """Return a warning where a public API can't fetch a link; it names only the host."""
    problem = None if fetch_problem(base_url) else fetch_problem(url)
    if problem is None:
        return ""
    return f"{file.parameter} is fetched by the API's own servers, and its link {problem}"


def _invoke(uploader: Any, file: LocalFile, upload: FileUpload) -> Flow[Any]:
    """Call an uploader: an object with `upload`, or a function of a path.

    One that isn't async may block, or never return: a cancellation doesn't wait for it.
    """
    method: Any = getattr(uploader, "upload", None)
    argument: Any = upload
    if method is None:
        if isinstance(file.source, bytes):
            raise InvalidRequest(
                f"{file.parameter}: the uploader is a function of a path, and {file.shown} has "
                "none; use an object with an `upload` method"
            )
        method, argument = uploader, file.source
    if inspect.iscoroutinefunction(method):
        value = yield InvokeCallback(method, argument)
    else:
        returned = yield from run_blocking(lambda: method(argument), abandonable=True)
        awaited = inspect.isawaitable(returned)
        value = (yield InvokeCallback(lambda _: returned, None)) if awaited else returned
    if inspect.iscoroutine(value):
        value.close()
        raise ConfigurationError(
            "the uploader is async, and needs an AsyncClient; nothing was sent"
        )
    return value


def _checked_link(file: LocalFile, value: object, now: float) -> UploadedLink:
    link = returned_link(value)
    if link is None:
        raise InvalidRequest(
            f"the uploader gave {type(value).__name__} for {file.shown}: it is no text and no "
            "UploadedLink with a text and a number"
        )
    reason = _character_problem(link.url) or url_problem(link.url)
    if reason is not None:
        raise InvalidRequest(
            f"the uploader gave a link for {file.shown} that can't be used: {reason}"
        )
    problem = _expiry_problem(link, now)
    if problem is not None:
        raise InvalidRequest(f"the uploader gave a link for {file.shown} that {problem}")
    return link


def _character_problem(url: str) -> str | None:
    whole = url.isprintable() and " " not in url
    return None if whole else "it has a blank, a line end or another character that no URL has"


def _expiry_problem(link: UploadedLink, now: float) -> str | None:
    return None if link.expires_at is None else expiry_problem(link.expires_at, now)


def _not_repeatable(order: PreparedRequest, problem: str) -> SubmitUncertain:
    reason = f"the link of an uploaded file {problem}"
    return SubmitUncertain(
        f"the submission with idempotency key {order.idempotency_key} may have been accepted and "
        f"charged, and can't be sent again as it was: {reason}. Check the account's usage before "
        "you submit again with another key",
        reason=reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
    )


def no_uploader(order: PreparedRequest) -> InvalidRequest:
    """Return the error for a local file in a request of a client without an uploader."""
    file = order.local_files[0]
    return InvalidRequest(
        f"{order.model}: {file.parameter} takes URLs, and {file.shown!r} is none; to send a "
        "local file, make the client with uploader=…, such as 's3://bucket/prefix' or 'mock'"
    )


def pinned(uploads: Uploads, order: PreparedRequest, flow: Flow[Any]) -> Flow[Any]:
    """Run a submission, and keep its links for a repetition unless its outcome is known."""
    assert order.uploaded is not None
    uncertain_before = order.idempotency_key in uploads.pinned
    uploads.pin(order.idempotency_key, order.uploaded.links)
    try:
        outcome = yield from flow
    except SubmitUncertain:
        raise
    except WanflowError:
        if not uncertain_before:
            uploads.unpin(order.idempotency_key)
        raise
    uploads.unpin(order.idempotency_key)
    return outcome
