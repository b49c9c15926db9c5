"""What the mock tells of itself to its page and to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.mock.account import DEFAULT_KEY, Accounts
from wanflow.mock.fault import KINDS
from wanflow.mock.paces import written

if TYPE_CHECKING:
    from wanflow.mock.account import Account
    from wanflow.mock.fault_rules import FaultRule, FaultRules
    from wanflow.mock.gateway import Gateway
    from wanflow.mock.pace import Pace
    from wanflow.mock.task import Task
    from wanflow.spec.document import Json


def about(gateway: Gateway, accounts: Accounts, faults: FaultRules) -> Json:
    """Say how the mock is set up; a key that it was given is not among it."""
    kinds = {
        name: {"takes": "" if kind.takes is None else kind.takes.words, "effect": kind.effect}
        for name, kind in KINDS.items()
    }
    return {
        "base_path": gateway.contract.base,
        "any_key": accounts.api_key is None,
        "example_key": DEFAULT_KEY,
        "pace": _pace(gateway.pace),
        "operations": faults.operations,
        "faults": kinds,
    }


def document_of(gateway: Gateway) -> Json:
    """Return the document that is served, with this mock as its server."""
    contract = gateway.contract
    servers = [{"url": gateway.origin + contract.base}]
    return {**contract.rules.catalog.document, "servers": servers}


def rule_shown(rule: FaultRule) -> Json:
    """Describe a fault's rule."""
    return {
        "id": rule.id,
        "fault": str(rule.faults),
        "operation": rule.operation,
        "probability": rule.probability,
        "nth": rule.nth,
        "count": rule.count,
        "account": None if rule.account is None else rule.account.name,
        "seen": rule.seen,
        "struck": rule.struck,
    }


def account_shown(account: Account) -> Json:
    """Describe an account."""
    rate = account.terms.rate
    return {
        "name": account.name,
        "credits": account.terms.credits,
        "left": account.left(),
        "reserved": account.reserved,
        "spent": account.spent,
        "rate": None if rate is None else f"{rate.requests}/{rate.seconds:g}",
        "forbidden": sorted(account.terms.forbidden),
    }


def task_shown(gateway: Gateway, task: Task) -> Json:
    """Describe a task: what the task query says, and what it doesn't."""
    return {
        **gateway.detail(task),
        "account": task.account.name,
        "prompt": task.prompt,
        "credits": task.credits,
        "looks": task.looks,
        "expired": task.expired(gateway.clock.now()),
    }


def _pace(pace: Pace) -> str:
    try:
        return written(pace)
    except TypeError:
        return type(pace).__name__
