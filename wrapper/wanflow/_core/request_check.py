"""Check a request before it is sent: find its model and local files, validate it, list warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow._core.local_files import LocalFile, local_files, with_links
from wanflow._core.model_lookup import find_model
from wanflow._core.request_warnings import deprecated, request_warnings
from wanflow._core.validation import validate_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.validator import RequestValidator


@frozen
class CheckedRequest:
    """What the check of a request has found.

    `warnings` lists what has no effect, `deprecated` what the spec will remove.
    """

    model: Model
    local_files: tuple[LocalFile, ...]
    warnings: tuple[str, ...]
    deprecated: tuple[str, ...]


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
    files = local_files(model, body, paths_only=not (validate and uploads))
    whole = {**body, **extra}
    warnings: list[str] = []
    if validate:
        urls_only = with_links(body, files, placeholder_url) if files else body
        validate_request(validator, model, urls_only)
        warnings = request_warnings(model, body, extra)
    return CheckedRequest(model, files, tuple(warnings), tuple(deprecated(model, whole)))


def placeholder_url(_: object) -> str:
    """Return a URL that stands for a file that isn't uploaded yet."""
    return "https://files.example/uploaded"
