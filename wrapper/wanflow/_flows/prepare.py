"""A submission before it is sent: which model, is it right, and what exactly would leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from attrs import Factory, field, frozen

from wanflow._core.submission_state import SubmissionState
from wanflow._flows import request_builder
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from wanflow._core.effects import Request
    from wanflow._core.local_files import LocalFile


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


def _fields(request: object | None) -> Mapping[str, Any]:
    if request is None:
        return {}
    if isinstance(request, Mapping):
        return cast("Mapping[str, Any]", request)
    try:
        return request_builder.request_as_dict(request)
    except TypeError as error:
        raise InvalidRequest(str(error)) from None
