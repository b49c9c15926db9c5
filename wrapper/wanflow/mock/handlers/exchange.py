"""The state of one request while it is handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet

if TYPE_CHECKING:
    from wanflow.mock.errors import HTTPError
    from wanflow.mock.gateway.accounts import Account
    from wanflow.mock.gateway.endpoints import Endpoint
    from wanflow.mock.http.request import Request


@define(eq=False)
class RequestContext:
    """A request with its operation, account, task, faults and error.

    `link_base` is what links in its response begin with.
    """

    request: Request
    link_base: str = ""
    operation: str | None = None
    endpoint: Endpoint | None = field(default=None, repr=False)
    account: Account | None = None
    task_id: str | None = None
    faults: FaultSet = NO_FAULTS
    body: bytes = field(default=b"", repr=False)
    error: HTTPError | None = field(default=None, repr=False)
