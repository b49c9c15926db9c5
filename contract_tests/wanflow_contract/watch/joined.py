"""Tasks that were submitted before a watch began: nobody saw what was requested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.task_history import TaskHistory, start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.support.exchange import Exchange


def joined_history(
    models: Mapping[str, Model], queried: str, account: str, body: Any, exchange: Exchange
) -> TaskHistory | None:
    """Start the history of a task with a poll, if that shows it."""
    if exchange.status != 200 or not isinstance(body, dict) or body.get("id") != queried:
        return None
    model = models.get(str(body.get("model")))
    if model is None or exchange.method != "GET":
        return None
    asked: dict[str, Any] = {"model": model.name}
    results = body.get("results")
    asked["n"] = len(results) if isinstance(results, list) and results else 1
    history = start(model, asked, account, body, exchange)
    history.polls = 1
    return history


def assume_requested(history: TaskHistory, body: Any) -> None:
    """Assume that a task has as many results as were requested."""
    results = body.get("results") if isinstance(body, dict) else None
    if isinstance(results, list) and results and not history.ended:
        history.request["n"] = len(results)
