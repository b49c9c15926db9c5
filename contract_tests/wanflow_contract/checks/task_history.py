"""The history of one task over all responses about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.catalog import packaged_catalog
from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.tasks import ID, KIND, RECEIPT, RECEIPT_FIELDS
from wanflow_contract.checks.faulty_field import response_field
from wanflow_contract.checks.task_changes import check_identity, check_order
from wanflow_contract.checks.task_state import (
    ENDED,
    check_facts,
    check_state,
    check_usage,
    results_of,
)

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow_contract.support.exchange import Exchange

ID_PREFIX = "task-unified-"


@define(eq=False)
class TaskHistory:
    """A task since its submission, and the responses about it.

    `request` is the body of the submission, `account` the name of the account that sent it.
    """

    model: Model
    request: dict[str, Any]
    account: str
    receipt: dict[str, Any]
    first: Exchange = field(repr=False)
    last: Exchange = field(repr=False)
    state: dict[str, Any] = field(factory=dict)
    polls: int = 0
    first_links: list[str] = field(factory=list)
    """The first result URLs; later responses may have others, which are younger."""

    @property
    def id(self) -> str:
        """The task's id, empty if its receipt has none."""
        named = self.receipt.get("id")
        return "" if named is None else str(named)

    @property
    def status(self) -> str:
        """The latest known status."""
        return str(self.state.get("status"))

    @property
    def ended(self) -> bool:
        """Whether the task has ended, as far as is known."""
        return self.status in ENDED

    @property
    def links(self) -> list[str]:
        """The latest known result URLs."""
        return results_of(self.state)

    @property
    def expected_results(self) -> int:
        """How many results were requested."""
        count = self.request.get("n", 1)
        return int(count) if isinstance(count, int | float) and self.model.kind == "image" else 1

    def observe(self, body: dict[str, Any], exchange: Exchange) -> None:
        """Check the response to a poll, and record it.

        Raises:
            CheckFailed: it contradicts an earlier response, or is invalid itself.
        """
        seen = (
            (self.first, self.last, exchange)
            if self.last is not self.first
            else (self.first, exchange)
        )
        with independent():
            check_identity(self, body, seen)
        with independent():
            new = {name: one for name, one in body.items() if name not in self.receipt}
            _check_kind(self.model, new, exchange)
        with independent():
            check_order(self, body, seen)
        with independent():
            check_state(self, body, exchange)
        with independent():
            check_facts(body, exchange)
        with independent():
            check_usage(self, body, exchange)
        self.state, self.last, self.polls = body, exchange, self.polls + 1
        self.first_links = self.first_links or self.links


def start(
    model: Model,
    request: dict[str, Any],
    account: str,
    receipt: dict[str, Any],
    exchange: Exchange,
) -> TaskHistory:
    """Start a history with the response to a submission, which may lack the id.

    Raises:
        CheckFailed: the response doesn't match the request.
    """
    RECEIPT.require(
        receipt.get("id") is not None, "id is absent", exchange, pointer=response_field("id")
    )
    for name in ("model", "status", "created"):
        with independent():
            RECEIPT_FIELDS.require(
                receipt.get(name) is not None,
                f"{name} is absent",
                exchange,
                pointer=response_field(name),
            )
    history = TaskHistory(model, request, account, receipt, exchange, exchange, receipt)
    named = str(receipt.get("id", f"{ID_PREFIX}absent"))  # an absent one has failed already
    ID.require(
        named.startswith(ID_PREFIX) and len(named) > len(ID_PREFIX),
        f"the id is {named!r}",
        exchange,
        pointer=response_field("id"),
        shape="another form",
    )
    with independent():
        _check_kind(model, receipt, exchange)
    with independent():
        check_state(history, receipt, exchange)
    with independent():
        check_facts(receipt, exchange)
    with independent():
        check_usage(history, receipt, exchange)
    return history


def _check_kind(model: Model, body: dict[str, Any], exchange: Exchange) -> None:
    right = {"model": model.name, "object": f"{model.kind}.generation.task", "type": model.kind}
    for name, value in right.items():
        if name not in body:
            continue
        found = body[name]
        KIND.require(
            found == value or (name == "model" and _is_version(found, value)),
            f"the {name} is {found!r}",
            exchange,
            pointer=response_field(name),
            shape="another",
        )


def _is_version(found: object, name: str) -> bool:
    """Return whether a model is a version of another one: "Actual model name used"."""
    others = packaged_catalog().models
    return isinstance(found, str) and found.startswith(f"{name}-") and found not in others
