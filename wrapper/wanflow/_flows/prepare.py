"""A submission before it is sent: which model, is it right, and what exactly would leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from attrs import Factory, evolve, field, frozen

from wanflow._core.submission_state import SubmissionState
from wanflow._flows import request_builder
from wanflow.errors import CreditLimitExceeded, InvalidRequest

if TYPE_CHECKING:
    from wanflow._core.effects import Request
    from wanflow._core.file_names import NameTemplate
    from wanflow._core.link_expiry import ExpiringLink
    from wanflow._core.local_files import LocalFile
    from wanflow._core.prices import Estimate
    from wanflow._core.uploads import UploadedLink

_ROUNDING = 1e-9
_MANY = 1_000_000.0


@frozen
class Preview:
    """A request that was not sent.

    `headers` are all but those that the transport adds and the one with the key; `body` is the
    JSON that `content` encodes; `warnings` lists what is valid but has no effect. `estimate` is
    what it will cost, None for a client without a ledger.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    content: bytes
    warnings: tuple[str, ...] = ()
    estimate: Estimate | None = None


@frozen
class UploadedFiles:
    """The request of uploaded files, as it is identified and recorded: without their links.

    `body` has a reference, made of the content's digest, in place of each file; `content` is that
    as JSON. `links` has the link of each reference.
    """

    body: dict[str, Any] = field(repr=False)
    content: bytes = field(repr=False)
    links: Mapping[str, UploadedLink] = field(factory=dict[str, "UploadedLink"], repr=False)


@frozen
class PreparedRequest:
    """A submission, ready to be sent once its local files, if it has any, are uploaded.

    `warnings` lists what of it has no effect, `deprecated` what the documents will remove;
    `validated` whether files are to be checked, too; `resubmit_uncertain` whether it may be sent
    again where it may have been accepted. `max_credits` limits its cost, and `max_charges` is how
    often it may be charged within that; None for no limit. `output` is what the model makes, such
    as `video`; `reported_prompt` the prompt if its event is to have it; `state` what is known of
    it.

    `body` is the request as the user gave it, `uploaded` what became of its files, and `expiring`
    its links that expire. `name` is how its files are to be named.
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
    max_credits: float | None = None
    max_charges: int | None = None
    output: str | None = None
    reported_prompt: str | None = field(default=None, repr=False)
    uploaded: UploadedFiles | None = field(default=None, repr=False)
    expiring: tuple[ExpiringLink, ...] = ()
    name: NameTemplate | None = None
    state: SubmissionState = field(
        default=Factory(lambda order: SubmissionState(order.idempotency_key), takes_self=True),
        eq=False,
        repr=False,
    )


@frozen
class SubmitOptions:
    """How a request is to be treated, beside what it asks for.

    `extra` is sent as it is, whatever the documents say; a key is drawn where there is none.
    `max_credits` is the most that it may cost, `name` a template of the names of its files.
    """

    extra: Mapping[str, Any] | None = None
    validate: bool = True
    idempotency_key: str | None = None
    resubmit_uncertain: bool = False
    max_credits: float | None = None
    name: str | None = None


def limit_cost(prepared: PreparedRequest, estimate: Estimate, earlier: int = 0) -> PreparedRequest:
    """Return a request that is charged no more often than its `max_credits` allow.

    `earlier` is how often it may have been charged before, where that is uncertain.

    Raises:
        CreditLimitExceeded: one charge would exceed them, or the price isn't known.
    """
    limit, price = prepared.max_credits, estimate.upper_bound
    assert limit is not None
    if price is None or not price <= limit + _ROUNDING:
        raise CreditLimitExceeded(
            f"not sent, because {prepared.model} may cost more than the {limit:g} credits of "
            f"max_credits: its price is {estimate.describe()}",
            max_credits=limit,
            estimate=estimate,
        )
    charges = int(min((limit + _ROUNDING) / price, _MANY) if price else _MANY) - earlier
    if charges < 1:
        raise CreditLimitExceeded(
            f"not sent again: each of {earlier} earlier submissions with this idempotency key may "
            f"have been charged, and one more could exceed the {limit:g} credits of max_credits, "
            f"at a price of {estimate.describe()}",
            max_credits=limit,
            estimate=estimate,
        )
    return evolve(prepared, max_charges=charges)


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
