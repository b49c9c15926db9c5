"""Check a request before it is sent: find its model and local files, validate it, list warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow._core.local_files import LocalFile, file_values, local_files, with_links
from wanflow._core.model_lookup import find_model
from wanflow._core.request_warnings import deprecated, request_warnings
from wanflow._core.validation import validate_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow._core.link_expiry import ExpiringLink
    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject
    from wanflow.catalog.validator import RequestValidator


@frozen
class CheckedRequest:
    """What the check of a request has found.

    `warnings` lists what has no effect, `deprecated` what the spec will remove, `expiring` the
    links whose text says when they expire.
    """

    model: Model
    local_files: tuple[LocalFile, ...]
    warnings: tuple[str, ...]
    deprecated: tuple[str, ...]
    expiring: tuple[ExpiringLink, ...] = ()


def check_request(
    validator: RequestValidator,
    body: Mapping[str, Any],
    extra: Mapping[str, Any],
    *,
    validate: bool,
    uploads: bool,
) -> CheckedRequest:
    """Check a body, which will be sent together with `extra`.

    `validate` says whether it must be valid; `uploads` whether a text that is no URL may be the
    path of a file to upload.

    Raises:
        InvalidRequest: the body violates the spec.
        UnknownModel: the spec has no such model.
    """
    model = find_model(validator.catalog, body.get("model"))
    document = validator.catalog.document
    files = local_files(document, model, body, paths_only=not (validate and uploads))
    whole = {**body, **extra}
    warnings: list[str] = []
    expiring: tuple[ExpiringLink, ...] = ()
    if validate:
        urls_only = with_links(body, files, placeholder_url) if files else body
        validate_request(validator, model, urls_only)
        warnings = request_warnings(document, model, body, extra)
        expiring = _expiring_links(document, model, whole)
    removed = tuple(deprecated(model, whole))
    return CheckedRequest(model, files, tuple(warnings), removed, expiring)


def _expiring_links(
    document: JsonObject, model: Model, body: Mapping[str, Any]
) -> tuple[ExpiringLink, ...]:
    if not any("?" in str(link) for _, link, _ in file_values(document, model, body)):
        return ()
    from wanflow._core.link_expiry import expiring_links  # noqa: PLC0415 - few links have a query

    return expiring_links(document, model, body)


def placeholder_url(_: object) -> str:
    """Return a URL that stands for a file that isn't uploaded yet."""
    return "https://files.example/uploaded"
