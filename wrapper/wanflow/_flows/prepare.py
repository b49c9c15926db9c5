"""A submission before it is sent: which model, is it right, and what exactly would leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from attrs import Factory, field, frozen

from wanflow._core.local_files import LocalFile, local_files, with_links
from wanflow._core.model_lookup import find_model
from wanflow._core.request_warnings import deprecated, unknown_fields, warnings_for
from wanflow._core.submission_state import SubmissionState
from wanflow._core.validation import validate_request
from wanflow._flows import request_builder
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from wanflow._core.effects import Request
    from wanflow.catalog.validator import RequestValidator


@frozen
class Preview:
    """A request that was not sent.

    `headers` are all but those that the transport adds and the one with the key; `body` is the
    JSON that `content` encodes; `warnings` lists what is valid but has no effect.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    content: bytes
    warnings: tuple[str, ...] = ()


@frozen
class PreparedRequest:
    """A submission, ready to be sent once its local files, if it has any, are uploaded.

    `warnings` lists what of it has no effect, `deprecated` what the documents will remove;
    `checked` whether files are to be checked, too; `resubmit_uncertain` whether it may be sent
    again where it may have been accepted; `receipt` what is known of it.
    """

    model: str
    request: Request
    body: dict[str, Any] = field(repr=False)
    idempotency_key: str
    local_files: tuple[LocalFile, ...] = ()
    warnings: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    validated: bool = True
    resubmit_uncertain: bool = False
    state: SubmissionState = field(
        default=Factory(lambda order: SubmissionState(order.idempotency_key), takes_self=True),
        eq=False,
        repr=False,
    )


@frozen
class SubmitOptions:
    """How a request is to be treated, beside what it asks for.

    `extra` is sent as it is, whatever the documents say; a key is drawn where there is none.
    """

    extra: Mapping[str, Any] | None = None
    validate: bool = True
    idempotency_key: str | None = None
    resubmit_uncertain: bool = False


def merge_body(
    request: object | None, model: str | None, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one body from the ways in which `submit` takes a request.

    `request` is a whole request (a dict or an object of `wanflow.models`). `model` and `parameters`
    are added to it; those that are None are left out.
    """
    given = {"model": model, **parameters}
    present = {name: value for name, value in given.items() if value is not None}
    return {**_fields(request), **present}


def prepare_request(
    validator: RequestValidator,
    body: dict[str, Any],
    options: SubmitOptions,
    key: str,
    *,
    uploads: bool,
) -> PreparedRequest:
    """Find the model, validate the body, and build the request.

    `key` is the idempotency key; `uploads` says whether a text that is no URL may be the path of
    a file to upload.

    Raises:
        InvalidRequest: the body violates the spec, or can't be written as JSON.
        UnknownModel: the spec has no such model.
    """
    model = find_model(validator.catalog, body.get("model"))
    files = local_files(model, body, paths_only=not (options.validate and uploads))
    if options.validate:
        urls_only = with_links(body, files, placeholder_url) if files else body
        validate_request(validator, model, urls_only)
    unknown = unknown_fields(model, body)
    if files:
        body = with_links(body, files, str)
    body |= options.extra or {}
    return PreparedRequest(
        model=model.name,
        request=request_builder.build_submit(model, body, key),
        body=body,
        idempotency_key=key,
        local_files=files,
        warnings=(*unknown, *warnings_for(model, body)) if options.validate else (),
        deprecated=tuple(deprecated(model, body)),
        validated=options.validate,
        resubmit_uncertain=options.resubmit_uncertain,
    )


def placeholder_url(_: object) -> str:
    """Return a URL that stands for a file that isn't uploaded yet."""
    return "https://files.example/uploaded"


def _fields(request: object | None) -> Mapping[str, Any]:
    if request is None:
        return {}
    if isinstance(request, Mapping):
        return cast("Mapping[str, Any]", request)
    try:
        return request_builder.request_as_dict(request)
    except TypeError as error:
        raise InvalidRequest(str(error)) from None
