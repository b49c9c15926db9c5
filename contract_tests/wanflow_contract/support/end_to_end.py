"""End-to-end runs of the client: submit, wait and download, with the cost recorded."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import pytest

import wanflow
from wanflow import errors
from wanflow._urls import is_http_url
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import stop_judging
from wanflow_contract.checks.expectation import packaged_oracle
from wanflow_contract.checks.files import kind_of
from wanflow_contract.checks.task_state import check_number
from wanflow_contract.support.client_drivers import ClientDriver, timeouts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from wanflow_contract.support.api_under_test import ApiUnderTest

_CONCURRENCY = 10


class EndToEndRuns:
    """The end-to-end runs of a session; call it with a model's name and a kind of client.

    Runs spend nearly all of their time waiting, so they run concurrently. Against a server with a
    rate limit, each one runs when its test asks for it.
    """

    def __init__(
        self, target: ApiUnderTest, folder: Path, chosen: Iterable[Mapping[str, str]]
    ) -> None:
        self._target, self._folder = target, folder
        self._pool = ThreadPoolExecutor(_CONCURRENCY)
        self._runs: dict[tuple[str, str], Future[None]] = {}
        for one in chosen if not target.client.rate else ():
            self._start(one["name"], one["client_kind"])

    def __call__(self, name: str, client_kind: str) -> None:
        """Wait for a run and raise its error; when called again, run it again."""
        try:
            self._start(name, client_kind).result()
        finally:
            del self._runs[name, client_kind]

    def _start(self, name: str, client_kind: str) -> Future[None]:
        if (name, client_kind) not in self._runs:
            folder = self._folder / f"{name}-{client_kind}"
            work = self._pool.submit(run_end_to_end, self._target, name, client_kind, folder)
            self._runs[name, client_kind] = work
        return self._runs[name, client_kind]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def run_end_to_end(target: ApiUnderTest, name: str, client_kind: str, folder: Path) -> None:
    """Submit, wait and download with one model and one kind of client."""
    model = target.models[name]
    body = cheapest(model)
    settings: dict[str, Any] = {"api_key": target.keys[target.account], **timeouts_of(target)}
    with ClientDriver(client_kind, base_url=target.base_url, **settings) as driver:
        task = submit_and_record(target, driver, body)
        try:
            result = driver.do(
                lambda _client: task.wait(
                    timeout=target.timeout,
                    on_update=lambda _seen: target.client.pace.wait(),
                )
            )
        except wanflow.TaskFailed as failed:
            pytest.skip(f"the task failed by itself: {failed.code}")
        _check_number(target, task.id, len(result.urls), body.get("n", 1))
        if not all(map(is_http_url, result.urls)):
            pytest.skip("the result URLs are not http or https")
        target.client.pace.wait()
        paths = driver.do(lambda _client: result.download(folder))
    assert len(paths) == len(result.urls)
    if target.has_mock_controls:
        assert {kind_of(path.read_bytes()) for path in paths} == {model.kind}


def _check_number(target: ApiUnderTest, task_id: str, count: int, wanted: int) -> None:
    """Check the number of results that a client got, and show a response that has them.

    Raises:
        CheckFailed: there are more or fewer than requested.
        NotJudged: so there are, and the failure is tolerated.
    """
    if count != wanted:
        path, headers = target.task_path(task_id), target.authorization()
        check_number(count, wanted, target.client.send("GET", path, headers))
        stop_judging()


def submit_and_record(
    target: ApiUnderTest, driver: ClientDriver, body: dict[str, Any], *, validate: bool = True
) -> Any:
    """Submit through the client within the budget, and record the cost.

    Raises:
        BudgetExceeded: it may cost more than is left.
    """
    model, content = target.models[body["model"]], json.dumps(body).encode()
    expectation = packaged_oracle().expectation(model.operation_id, body)
    reservation = target.budget.reserve(expectation, content)
    target.client.pace.wait()
    target.client.record_request("POST", model.path, content)
    try:
        task = driver.do(lambda client: client.submit(body, validate=validate))
    except errors.APIError as refusal:
        if 400 <= refusal.status < 500:
            target.budget.release(reservation)
        else:
            target.budget.record_unknown(reservation)
        raise
    except BaseException:
        target.budget.record_unknown(reservation)
        raise
    target.budget.record_cost(task.snapshot.raw, reservation)
    return task
