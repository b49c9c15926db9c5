"""Refusals because of the account: it has no access to a model, or no credits left.

The documents have both, and say nothing of their order among the reasons of a refusal. Such a
refusal is a note, unless what the account gets later contradicts it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from wanflow_contract.checks.definitions.access import MODEL_ACCESS
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.checks.faulty_field import error_of, request_field, requested_model
from wanflow_contract.checks.refusals import check_rejection, require_accepted

if TYPE_CHECKING:
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.support.exchange import Exchange

_NO_CREDITS, _NO_ACCESS = 402, 403


@define(eq=False)
class AccountAccess:
    """Which models each account got access to, and the refusals that this may contradict."""

    _accepted: set[tuple[str, str]] = field(factory=set)
    _without_credits: set[str] = field(factory=set)
    _refused: dict[tuple[str, str], tuple[Exchange, Expectation]] = field(factory=dict)

    def refuses(self, account: str, expectation: Expectation, exchange: Exchange) -> bool:
        """Return whether a submission is refused because of the account; the check fails if so.

        Raises:
            CheckFailed: it is, and notes are failures.
        """
        known = account, requested_model(exchange)
        refused = self._is_refusal(known, expectation, exchange)
        if refused:
            self._refused.setdefault(known, (exchange, expectation))
        MODEL_ACCESS.require(
            not refused,
            f"answered with {exchange.status}, so its other rules aren't tested",
            exchange,
            pointer=request_field("model"),
            shape=f"{requested_model(exchange)}: {exchange.status}",
        )
        return refused

    def check_earlier(self, operation_id: str, account: str, model: str) -> None:
        """Check a refusal that was laid on the account, which now gets access to the model.

        Credits may be enough for one request and not for another, so 402 is no contradiction.

        Raises:
            CheckFailed: the refusal was wrong.
        """
        self._accepted.add((account, model))
        refused = self._refused.pop((account, model), None)
        if refused is None or refused[0].status == _NO_CREDITS:
            return
        exchange, expectation = refused
        if expectation.expected is Expected.REJECT:
            check_rejection(operation_id, expectation, exchange)
        if expectation.expected is Expected.ACCEPT:
            require_accepted(exchange)

    def _is_refusal(
        self, known: tuple[str, str], expectation: Expectation, exchange: Exchange
    ) -> bool:
        """Return whether a refusal is about the account.

        An invalid request is refused with 402 only by an account that couldn't pay a valid one,
        and with 403 only if the error names the model, as in the documents' example. One that may
        be accepted counts as valid.
        """
        valid, account = expectation.expected is not Expected.REJECT, known[0]
        if exchange.status == _NO_CREDITS:
            self._without_credits |= {account} if valid else set()
            return account in self._without_credits
        named = error_of(exchange).get("param")
        of_the_model = named == "model" or (named is None and valid)
        return exchange.status == _NO_ACCESS and of_the_model and known not in self._accepted
