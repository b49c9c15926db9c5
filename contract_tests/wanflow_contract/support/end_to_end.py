"""The client's whole road with a model: submitted, waited for, saved, and booked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import pytest

import wanflow
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.expectation import packaged_judge
from wanflow_contract.checks.files import kind_of
from wanflow_contract.support.client_drivers import PATIENCE, Face

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from wanflow_contract.support.api_under_test import Target

_AT_ONCE = 10


class Journeys:
    """The roads that are to be gone; call it with a model's name and a colour for the outcome.

    Nearly all of their time goes by between looks. So they are gone at once, but for a server
    that is to be spared: there one at a time, when it is asked for.
    """

    def __init__(self, target: Target, folder: Path, chosen: Iterable[Mapping[str, str]]) -> None:
        self._target, self._folder = target, folder
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._begun: dict[tuple[str, str], Future[None]] = {}
        for one in chosen if not target.wire.rate else ():
            self._begin(one["name"], one["colour"])

    def __call__(self, name: str, colour: str) -> None:
        """Wait for one, and raise what it came to; called again, it is gone again."""
        try:
            self._begin(name, colour).result()
        finally:
            del self._begun[name, colour]

    def _begin(self, name: str, colour: str) -> Future[None]:
        if (name, colour) not in self._begun:
            folder = self._folder / f"{name}-{colour}"
            work = self._pool.submit(journey, self._target, name, colour, folder)
            self._begun[name, colour] = work
        return self._begun[name, colour]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def journey(target: Target, name: str, colour: str, folder: Path) -> None:
    """Go the road of a model in a colour."""
    model = target.models[name]
    body = cheapest(model)
    settings: dict[str, Any] = {"api_key": target.keys[target.account], **PATIENCE}
    with Face(colour, base_url=target.base_url, **settings) as face:
        task = _bought(target, face, body)
        try:
            result = face.do(
                lambda _client: task.wait(
                    timeout=target.longest, on_update=lambda _seen: target.wire.wait_turn()
                )
            )
        except wanflow.TaskFailed as failed:
            pytest.skip(f"the task failed by itself: {failed.code}")
        assert len(result.urls) == body.get("n", 1)
        if any(urlsplit(url).scheme not in {"http", "https"} for url in result.urls):
            pytest.skip("the results are in a store that isn't of the web")
        target.wire.wait_turn()
        paths = face.do(lambda _client: result.download(folder))
    assert len(paths) == len(result.urls)
    if target.steered:
        assert {kind_of(path.read_bytes()) for path in paths} == {model.kind}


def _bought(target: Target, face: Face, body: dict[str, Any]) -> Any:
    """Submit by the client, and book it."""
    model, content = target.models[body["model"]], json.dumps(body).encode()
    held = target.purse.permit(packaged_judge().verdict(model.operation_id, body), content)
    target.wire.wait_turn()
    target.wire.note("POST", model.path, content)
    try:
        task = face.do(lambda client: client.submit(body))
    except BaseException:
        target.purse.pay(held, held)
        raise
    target.purse.book(body, task.snapshot.raw, held)
    return task
