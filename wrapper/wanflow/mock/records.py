"""Tasks and accounts as JSON that can be kept, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict

from wanflow.mock.account import Account
from wanflow.mock.fault import NO_FAULTS, Faults, faults_of
from wanflow.mock.order import Order
from wanflow.mock.paces import pace_of, written
from wanflow.mock.task import Task
from wanflow.mock.terms import Rate, Terms

if TYPE_CHECKING:
    from wanflow.spec.document import Json

_PLAIN = (
    "id",
    "created",
    "model",
    "seed",
    "prompt",
    "failure",
    "credits",
    "estimate",
    "callback_url",
    "looks",
    "ended",
)


def task_record(task: Task) -> Json:
    """Return what makes a task again; its account is for the caller to keep."""
    plain = {name: getattr(task, name) for name in _PLAIN}
    faults = {"query": str(task.query), "file": str(task.file)}
    return {**plain, **faults, "order": asdict(task.order), "pace": written(task.pace)}


def task_from(record: Json, account: Account) -> Task:
    """Make a task again.

    Raises:
        KeyError, TypeError, ValueError: the record is none of this version.
    """
    return Task(
        account=account,
        order=Order(**record["order"]),
        pace=pace_of(record["pace"]),
        query=_faults(record["query"]),
        file=_faults(record["file"]),
        **{name: record[name] for name in _PLAIN},
    )


def account_record(account: Account) -> Json:
    """Return what makes an account again, the answers that may be replayed included."""
    rate = account.terms.rate
    return {
        "name": account.name,
        "credits": account.terms.credits,
        "rate": None if rate is None else [rate.requests, rate.seconds],
        "forbidden": sorted(account.terms.forbidden),
        "reserved": account.reserved,
        "spent": account.spent,
        "submitted": account.submitted,
        "replays": account.replays.records(),
    }


def account_from(record: Json) -> Account:
    """Make an account again.

    Raises:
        KeyError, TypeError, ValueError: the record is none of this version.
    """
    rate: Any = record["rate"]
    terms = Terms(record["credits"], rate and Rate(*rate), frozenset(record["forbidden"]))
    numbers = {name: record[name] for name in ("reserved", "spent", "submitted")}
    account = Account(record["name"], terms, **numbers)
    account.replays.restore(record["replays"])
    return account


def _faults(text: str) -> Faults:
    return faults_of(text) if text else NO_FAULTS
