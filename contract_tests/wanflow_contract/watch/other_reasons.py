"""Responses that say nothing of whether a request was right: of the account, the load, a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.refusals import IDEMPOTENCY_KEY
from wanflow_contract.checks.task_state import BUSINESS_CODES

if TYPE_CHECKING:
    from wanflow_contract.support.exchange import Exchange

OF_THE_ACCOUNT = frozenset({401, 402, 403, 408, 425, 429})
"""What the server or one before it says of the account or of its load."""
NOT_OF_THE_SERVER = frozenset({304, 502, 503, 504})
"""What an intermediary says, and what a client's own cache confirms."""
_OF_A_USED_KEY = frozenset({409, 422})
# Why a correct server refuses a request that is valid by its form.
_BY_CONTENT = BUSINESS_CODES - {"invalid_parameters", "service_error", "unknown_error"}


def is_of_the_account(exchange: Exchange, body: Any) -> bool:
    """Return whether a refusal is about the account, the load or the content of a request."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    by_content = exchange.status == 400 and isinstance(code, str) and code in _BY_CONTENT
    of_a_used_key = exchange.status in _OF_A_USED_KEY and exchange.sent_header(IDEMPOTENCY_KEY)
    return exchange.status in OF_THE_ACCOUNT or by_content or bool(of_a_used_key)
