"""Checks of the response to a query: of an own task, of another account's, of an unknown id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.access import (
    EQUIVALENT_ID,
    FOUND,
    PRIVATE,
    PRIVATE_ERROR,
    QUERY_ERROR,
    UNKNOWN,
)
from wanflow_contract.checks.faulty_field import error_of, refused_field, response_field
from wanflow_contract.checks.header_checks import check_running
from wanflow_contract.checks.refusals import check_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.exchange import Exchange

_TASK_ID = re.compile(rb"task-unified-[A-Za-z0-9._~-]+")


def check_query(
    tasks: Mapping[str, TaskHistory], account: str, body: Any, exchange: Exchange
) -> TaskHistory | None:
    """Check a response, and return the history of the task that it shows.

    Raises:
        CheckFailed: a check fails.
    """
    written = _queried(exchange)
    history = tasks.get(unquote(written))
    if history is None:
        _check_unknown(unquote(written), body, exchange)
        return None
    if history.account != account:
        _check_private(history, account, exchange)
        return None
    check = check_for(exchange, FOUND) if written == history.id else EQUIVALENT_ID
    right, at = exchange.status == 200, refused_field(exchange)
    check.require(right, f"{exchange.status}", history.first, exchange, pointer=at)
    if not right or not isinstance(exchange.decoded(), dict):
        return None
    history.observe(body, exchange)
    if not history.ended:
        with independent():
            check_running(exchange)
    return history


def check_query_error(
    models: Mapping[str, Model],
    tasks: Mapping[str, TaskHistory],
    account: str,
    exchange: Exchange,
) -> None:
    """Check that the error of a query is about the query, and reveals nothing of other accounts.

    Raises:
        CheckFailed: it isn't, or does.
    """
    param = error_of(exchange).get("param")
    fields = {"model", *(name for one in models.values() for name in one.parameters)}
    QUERY_ERROR.require(
        not isinstance(param, str) or param not in fields,
        f"param is {param!r}",
        exchange,
        pointer=response_field("error", "param"),
        shape=f"{exchange.status}: a parameter of a submission",
    )
    queried = unquote(_queried(exchange))
    for name in map(bytes.decode, _TASK_ID.findall(exchange.content)):
        other = tasks.get(name)
        foreign = other is not None and name != queried and other.account != account
        PRIVATE_ERROR.require(
            not foreign,
            f"the error names {name} of another account",
            exchange,
            pointer=response_field("error"),
            shape="an id of another account",
        )


def _queried(exchange: Exchange) -> str:
    """Return the id of the queried task, as it was written."""
    return exchange.path.partition("?")[0].rpartition("/")[2]


def _check_unknown(queried: str, body: Any, exchange: Exchange) -> None:
    if exchange.status != 200:
        UNKNOWN.require(exchange.status in {400, 404}, f"{exchange.status}", exchange)
        return
    right = str(body.get("id")) in queried
    UNKNOWN.require(right, "another task", exchange, pointer=response_field("id"))


def _check_private(history: TaskHistory, account: str, exchange: Exchange) -> None:
    PRIVATE.require(
        exchange.status in {403, 404},
        f"{exchange.status} for {account}",
        history.first,
        exchange,
        shape=f"{exchange.status} for another account",
    )
    PRIVATE_ERROR.require(
        history.model.name.encode() not in exchange.content,
        "the error names its model",
        history.first,
        exchange,
        pointer=response_field("error"),
    )
