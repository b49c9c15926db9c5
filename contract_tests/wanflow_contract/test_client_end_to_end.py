"""The client against the server: every model's road in both colours, through every fault."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

import wanflow
from wanflow import errors
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.support.client_drivers import COLOURS, PATIENCE, play
from wanflow_contract.support.end_to_end import Journeys

PROMISES = packaged_promises()
MODELS = sorted(PROMISES.catalog.models)
QUERY = PROMISES.query.id
BORNE = (
    *("status=500", "status=502", "status=520", "html", "empty", "reset"),
    *("truncated", "garbled", "unknown-enum", "missing=status", "null=status"),
    *("reset-after-headers", "reset-in-body", "wrong-length=100", "latency=0.2"),
)
# Half of the body comes, and the id is in it.
NAMED = {"truncated", "reset-in-body"}
UNCERTAIN = ("lost-answer", "truncated", "html", "empty", "reset-after-headers", "reset-in-body")


@pytest.fixture(scope="module")
def journeys(request, target, tmp_path_factory):
    """The roads of all models and colours that are to be gone in this run."""
    chosen = (getattr(item, "callspec", None) for item in request.session.items)
    named = [
        one.params for one in chosen if one is not None and {"name", "colour"} == {*one.params}
    ]
    with Journeys(target, tmp_path_factory.mktemp("files"), named) as found:
        yield found


def settings_of(target, key: str | None = None) -> dict[str, object]:
    shown = key or target.keys[target.account]
    return {"api_key": shown, "base_url": target.base_url, **PATIENCE}


def own_key(target) -> str:
    """A key of an account that nobody else uses, on a server whose faults can be steered."""
    if not target.any_key:
        pytest.skip("an account of one's own takes a mock that lets any key in")
    return f"road-{uuid4().hex}"


def strike(target, key: str, fault: str, operation: str, count: int = 1) -> None:
    """Have the next calls of an operation go wrong for one account."""
    rule = {"fault": fault, "operation": operation, "count": count}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = target.wire.send("POST", target.control("faults"), headers, json.dumps(rule).encode())
    assert answer.status == 201, answer.told()


def tasks_of(target, key: str) -> list[dict[str, object]]:
    """The tasks of an account, by the server's own account."""
    headers = {"Authorization": f"Bearer {key}"}
    return target.wire.send("GET", target.control("tasks"), headers).json()["tasks"]


@pytest.mark.fast
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("name", MODELS)
def test_each_model_leads_to_files(journeys, name, colour) -> None:
    """Submitted, waited for and saved, each model leaves as many files as asked, of its kind."""
    journeys(name, colour)


@pytest.mark.full
@pytest.mark.controls
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("fault", BORNE)
def test_a_wait_bears_a_fault(target, colour, fault) -> None:
    """A query that goes wrong once doesn't lose the task that it asked for."""
    key = own_key(target)
    body = cheapest(target.models[MODELS[0]])
    strike(target, key, fault, QUERY)
    result = play(colour, lambda client: client.run(body, timeout=30), **settings_of(target, key))
    assert result.urls
    assert len(tasks_of(target, key)) == 1


@pytest.mark.full
@pytest.mark.controls
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("fault", UNCERTAIN)
def test_a_lost_answer_is_not_paid_twice(target, colour, fault) -> None:
    """Where a response broke off, its task is known or uncertain, and nothing is sent again."""
    key = own_key(target)
    model = target.models[MODELS[0]]
    strike(target, key, fault, model.operation_id, count=9)
    try:
        task = play(
            colour, lambda client: client.submit(cheapest(model)), **settings_of(target, key)
        )
    except (wanflow.SubmitUncertain, errors.UnexpectedResponse):
        assert fault not in NAMED
        assert len(tasks_of(target, key)) <= 1
    else:
        assert fault in NAMED
        assert [one["id"] for one in tasks_of(target, key)] == [task.id]


@pytest.mark.fast
@pytest.mark.parametrize("colour", COLOURS)
def test_a_wrong_request_is_not_sent(target, colour) -> None:
    """What breaks a rule is refused before it leaves, with the rule."""
    body = {**cheapest(target.models[MODELS[0]]), "prompt": 5}
    before = target.wire.sent
    with pytest.raises(wanflow.InvalidRequest) as caught:
        play(colour, lambda client: client.submit(body), **settings_of(target))
    assert [one.parameter for one in caught.value.violations] == ["prompt"]
    assert target.wire.sent == before


@pytest.mark.fast
@pytest.mark.parametrize("colour", COLOURS)
def test_what_the_server_refuses_is_told(target, colour) -> None:
    """Without its own check, the client tells the server's: BadRequest, or NotFound for a model."""
    body = {**cheapest(target.models[MODELS[0]]), "prompt": 5}
    with pytest.raises(errors.BadRequest):
        play(colour, lambda client: client.submit(body, validate=False), **settings_of(target))
    with pytest.raises((wanflow.NotFound, errors.BadRequest)):
        play(
            colour,
            lambda client: client.task("task-unified-1756817821-4x3rx6ny").refresh(),
            **settings_of(target),
        )
