"""Task ids: a task is found by its exact id, in every form that URLs allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.definitions.access import EQUIVALENT_ID, UNDOCUMENTED_PATH, UNKNOWN
from wanflow_contract.plan.order import Stage
from wanflow_contract.support.raw_requests import new_task

if TYPE_CHECKING:
    from wanflow_contract.support.api_under_test import ApiUnderTest


def in_capitals(name: str) -> str:
    """Return an id with capitals after the beginning that all ids have."""
    head, sign, tail = name.rpartition("-")
    return f"{head}{sign}{tail.upper()}"


def other_ids(name: str) -> dict[str, str]:
    """Return strings that a careless server takes for a task's id."""
    head, last = name[:-1], name[-1]
    return {
        "in capitals": in_capitals(name),
        "with a slash encoded": f"..%2Ftasks%2F{name}",
        "encoded twice": name.replace("-", "%252D"),
        "with a parameter": f"{name};a=1",
        "with an extension": f"{name}.json",
        "with a pattern": f"{head}.",
        "with a wildcard of one sign": f"{head}_",
        "with a wildcard": f"{head}*",
        "with a full-width sign": f"{head}%EF%BD%81" if last.isalpha() else f"{head}%EF%BC%91",
        "and a tab": f"{name}%09",
        "and a line break": f"{name}%0A",
        "and a NUL": f"{name}%00",
        "and a NUL with more": f"{name}%00.json",
        "and a zero-width space": f"{name}%E2%80%8B",
        "after a space": f"%20{name}",
        "in quotes": f"%22{name}%22",
        "in braces": f"%7B{name}%7D",
        "with another id": f"{name},{name}",
        "as an expression": f"{name}%27%20OR%20%271%27=%271",
        "with a field": f"{name}%3Fa=1",
        "with a fragment": f"{name}%23a",
    }


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("way", sorted(other_ids("task-unified-1-a")))
def test_an_id_is_compared_exactly(target: ApiUnderTest, way: str) -> None:
    """Whatever only resembles a task's id names no task."""
    name = new_task(target)
    other = other_ids(name)[way]
    if other in target.tasks:
        pytest.skip("another task of the server has this id")
    exchange = target.get_task(other)
    UNKNOWN.require(exchange.status in {400, 404}, f"{exchange.status} {way}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_a_slash_is_not_encoded(target: ApiUnderTest) -> None:
    """An encoded slash is a part of a name, and separates no parts of a path."""
    name = new_task(target)
    path = "%2F".join(target.task_path(name).rsplit("/", 1))
    exchange = target.client.send("GET", path, target.authorization())
    UNDOCUMENTED_PATH.require(400 <= exchange.status < 500, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_an_id_may_be_percent_encoded(target: ApiUnderTest) -> None:
    """Encoding characters that need no encoding doesn't change which task is meant."""
    name = new_task(target)
    for encoded in (name.replace("-", "%2D"), name.replace("-", "%2d"), f"%74{name[1:]}"):
        exchange = target.client.send("GET", target.task_path(encoded), target.authorization())
        EQUIVALENT_ID.require(exchange.status == 200, f"{exchange.status}", exchange)
