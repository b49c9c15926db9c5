"""What the admin API shows: configuration, spec, rules, accounts and tasks, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.mock.gateway.accounts import DEFAULT_KEY
from wanflow.mock.gateway.fault import FAULT_KINDS
from wanflow.mock.gateway.lifecycle import format_progression

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.mock.faults.rules import FaultRule, FaultRules
    from wanflow.mock.gateway.accounts import Account, AccountStore
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.gateway.lifecycle import Progression
    from wanflow.mock.gateway.tasks import Task


def describe_config(gateway: Gateway, accounts: AccountStore, faults: FaultRules) -> JsonObject:
    """Return the mock's configuration, without its API key."""
    kinds = {
        name: {
            "value": "" if kind.value_format is None else kind.value_format.description,
            "effect": kind.effect,
        }
        for name, kind in FAULT_KINDS.items()
    }
    return {
        "base_path": gateway.api.base,
        "any_key": accounts.api_key is None,
        "example_key": DEFAULT_KEY,
        "progression": _progression(gateway.progression),
        "latency": str(faults.latency) or None,
        "operations": faults.operations,
        "faults": kinds,
    }


def served_spec(gateway: Gateway, link_base: str) -> JsonObject:
    """Return the served spec, with this mock as its server."""
    api = gateway.api
    servers = [{"url": link_base + api.base}]
    return {**api.validator.catalog.document, "servers": servers}


def rule_json(rule: FaultRule) -> JsonObject:
    """Return a fault rule as JSON."""
    return {
        "id": rule.id,
        "fault": str(rule.faults),
        "operation": rule.operation,
        "probability": rule.probability,
        "nth": rule.nth,
        "count": rule.count,
        "ends": rule.ends,
        "account": None if rule.account is None else rule.account.name,
        "calls": rule.calls,
        "hits": rule.hits,
    }


def account_json(account: Account) -> JsonObject:
    """Return an account as JSON."""
    rate = account.limits.rate
    return {
        "name": account.name,
        "credits": account.limits.credits,
        "remaining": account.remaining(),
        "reserved": account.reserved,
        "spent": account.spent,
        "rate": None if rate is None else f"{rate.requests}/{rate.seconds:g}",
        "forbidden": sorted(account.limits.forbidden_models),
    }


def task_json(gateway: Gateway, task: Task, link_base: str) -> JsonObject:
    """Return a task as JSON: its status response, and more."""
    return {
        **gateway.status_response(task, link_base),
        "account": task.account.name,
        "prompt": task.prompt,
        "credits": task.credits,
        "polls": task.polls,
        "expired": task.expired(gateway.clock.now()),
    }


def _progression(progression: Progression) -> str:
    try:
        return format_progression(progression)
    except TypeError:
        return type(progression).__name__
