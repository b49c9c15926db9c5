"""A response to a submission that breaks off: an id that came is kept all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from contract_tests.wire.rude_server import ID, RudeServer, http, resets, task
from contract_tests.wire.test_promises import KEY, body

from wanflow import SubmitUncertain
from wanflow.ledger import Ledger
from wanflow.ledger.job import State

if TYPE_CHECKING:
    from pathlib import Path

ACCEPTED = json.dumps({"id": ID, "status": "pending", "prompt": "x" * 400}).encode()
CUT_IN_THE_ID = ACCEPTED[: ACCEPTED.index(ID.encode()) + len(ID) - 4]


def cut(status: int, part: bytes) -> Any:
    """The head and a part of a response whose rest never comes."""
    return resets(http(status, part, length=len(ACCEPTED)))


@pytest.mark.parametrize("kept", [False, True], ids=["no-ledger", "ledger"])
def test_a_task_that_was_named_before_the_end_is_a_task(
    colour: Any, kept: bool, tmp_path: Path
) -> None:
    """The connection broke off after the id: the task is paid for, and waited for as any other."""
    ledger = Ledger(tmp_path / "ledger.sqlite") if kept else None
    with RudeServer(post=[cut(200, ACCEPTED[:200])], get=[task("failed")]) as server:
        client = colour.client(api_key=KEY, base_url=server.url, ledger=ledger)
        made = colour.do(client.submit, body())
        assert made.id == ID
        assert server.count("POST") == 1
        colour.do(client.close)
    if ledger is not None:
        (job,) = ledger.jobs()
        assert (job.task_id, job.state) == (ID, State.ACCEPTED)
        ledger.close()


def test_an_error_that_named_a_task_before_its_end_keeps_the_id(colour: Any) -> None:
    with RudeServer(post=[cut(500, ACCEPTED[:200])]) as server:
        client = colour.client(api_key=KEY, base_url=server.url)
        with pytest.raises(SubmitUncertain) as caught:
            colour.do(client.submit, body())
        assert (caught.value.task_id, caught.value.status) == (ID, 500)
        assert server.count("POST") == 1
        colour.do(client.close)


@pytest.mark.parametrize("part", [b"", CUT_IN_THE_ID], ids=["nothing", "half an id"])
def test_half_an_id_is_none(colour: Any, part: bytes) -> None:
    """What was cut off inside of an id would name another's task, or none."""
    with RudeServer(post=[cut(200, part)]) as server:
        client = colour.client(api_key=KEY, base_url=server.url)
        with pytest.raises(SubmitUncertain) as caught:
            colour.do(client.submit, body())
        assert caught.value.task_id is None
        colour.do(client.close)
