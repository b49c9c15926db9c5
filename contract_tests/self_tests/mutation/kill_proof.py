"""Witnesses: the shortest exchanges that show a fault, played on the whole server and the faulty.

What is compared is told without what differs from run to run: ids, ports, and the present time.
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import httpx
from attrs import define, field

from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.support.http_client import trusted
from wanflow_contract.support.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from self_tests.mutation.mutant import Mutant

_AHEAD = 600
_PATIENCE = 6
KEY, OTHER_KEY = "witness-key-of-the-first", "witness-key-of-another"
_ID = re.compile(r"task-(?:unified-)?[0-9]+-[a-z0-9]+")
_HEADERS = ("content-type", "retry-after", "idempotency-replayed")


@define
class Stage:
    """A server that scripts are played on, and what was told so far."""

    base_url: str
    _http: httpx.Client = field(repr=False)
    told: list[str] = field(factory=list)
    _names: dict[str, str] = field(factory=dict)

    def post(self, body: Any = None, key: str | None = KEY, **headers: str) -> Any:
        """Submit; an image is asked for unless a body is given."""
        body = cheapest(an_image()) if body is None else body
        model = packaged_catalog().models.get(str(body.get("model")), an_image())
        return self.send("POST", model.path, key, json=body, headers=headers)

    def get(self, task_id: str, key: str | None = KEY, **headers: str) -> Any:
        """Look at a task."""
        return self.send("GET", f"/v1/tasks/{task_id}", key, headers=headers)

    def send(self, method: str, path: str, key: str | None = None, **more: Any) -> Any:
        """Send a request, note its answer, and return the decoded body, {} for none."""
        headers = {name.replace("_", "-"): value for name, value in more.pop("headers", {}).items()}
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key}")
        url = path if "://" in path else self.base_url + path
        try:
            answer = self._http.request(method, url, headers=headers, **more)
        except httpx.HTTPError as error:
            self.told.append(f"{method} -> {type(error).__name__}")
            return {}
        shown = [f"{name}: {answer.headers.get(name)}" for name in _HEADERS]
        kind = answer.content[:24].hex() if "/media/" in url else self.plain(answer.text)
        self.told.append(f"{method} -> {answer.status_code} {shown} {kind}")
        try:
            return answer.json()
        except ValueError:
            return {}

    def plain(self, text: str) -> str:
        text = re.sub(r"\b[0-9]{10}\b(?!-)", _moment, text)
        text = re.sub(r"127\.0\.0\.1:[0-9]+", "HOST", text)
        return _ID.sub(lambda found: self._named(found[0]), text)

    def _named(self, name: str) -> str:
        self._names.setdefault(
            name, f"{'task-unified' if 'unified' in name else 'task'}-{len(self._names)}"
        )
        return self._names[name]


def _moment(found: re.Match[str]) -> str:
    """Tell the present, and the future that a clock was advanced to, by one word."""
    return "NOW" if -60 < int(found[0]) - time.time() < _AHEAD else found[0]


def an_image() -> Any:
    """Return a model that can make several pictures of a size."""
    models = packaged_catalog().models.values()
    return next(one for one in models if "size" in one.parameters)


def a_film() -> Any:
    """Return a model that makes films by the second."""
    models = packaged_catalog().models.values()
    return next(one for one in models if "duration" in one.parameters)


def shows(mutant: Mutant) -> list[str] | None:
    """Return what the faulty server tells, None where it is what the whole one tells.

    Raises:
        RuntimeError: the whole one doesn't tell the same twice, so that nothing would be shown.
    """
    told = [_on_the_whole(mutant), _on_the_whole(mutant)]
    while told[-1] != told[-2]:  # on a busy machine a callback may come too late for once
        if len(told) == _PATIENCE:
            raise RuntimeError(f"the witness {mutant.script} tells other things each time")
        told.append(_on_the_whole(mutant))
    right = told[-1]
    with mutant.opened() as faulty:
        wrong = _played(faulty, mutant)
    return wrong if wrong != right else None


def shown(mutants: Sequence[Mutant], jobs: int) -> list[Mutant]:
    """Return those that a witness shows, in their order; each process takes its share."""
    with ProcessPoolExecutor(jobs, get_context("fork"), _SHARED.extend, (mutants,)) as pool:
        told = pool.map(_shows_one, range(len(mutants)), chunksize=8)
        return [one for one, seen in zip(mutants, told, strict=True) if seen]


_SHARED: list[Mutant] = []


def _shows_one(number: int) -> bool:
    return shows(_SHARED[number]) is not None


def _on_the_whole(mutant: Mutant) -> list[str]:
    with MockServer(polls=2, **mutant.options) as whole:
        return _played(whole, mutant)


def _played(server: MockServer, mutant: Mutant) -> list[str]:
    with httpx.Client(trust_env=False, timeout=5, verify=trusted()) as http:
        stage = Stage(server.base_url, http)
        if mutant.probe is not None:
            stage.post(dict(mutant.probe))
        else:
            SCRIPTS[mutant.script](stage)
        return stage.told


def _look(stage: Stage, looks: int = 1, body: Any = None, **headers: str) -> Any:
    made, seen = stage.post(body, **headers), {}
    for _ in range(looks):
        seen = stage.get(str(made.get("id", "none")))
    return seen


def _file(stage: Stage, model: Any) -> None:
    seen = _look(stage, 2, cheapest(model))
    for link in seen.get("results") or ():
        stage.send("GET", str(link))


def _keyless(stage: Stage, **headers: str) -> None:
    made = stage.post()
    stage.post(key=None, **headers)
    stage.get(str(made.get("id")), None, **headers)


def _keyless_look(stage: Stage) -> None:
    seen = _look(stage)
    stage.get(str(seen.get("id")), None)


def _twice(stage: Stage, one: dict[str, str], two: dict[str, str]) -> None:
    for headers in (one, two, two):
        stage.post(**headers)


def _late(stage: Stage) -> None:
    made = stage.post()
    time.sleep(0.01)
    stage.get(str(made.get("id")))


def _stranger(stage: Stage) -> None:
    made = stage.post()
    stage.get(str(made.get("id")), OTHER_KEY)


def _misused(stage: Stage) -> None:
    key = "witness-key-00000001"
    stage.post(Idempotency_Key=key)
    stage.post({**cheapest(an_image()), "prompt": "another"}, Idempotency_Key=key)


def _prices(stage: Stage) -> None:
    for duration in (5, 10):
        stage.post({**cheapest(a_film()), "duration": duration})


def _callbacks(stage: Stage) -> None:
    """Have a completed task and a failed one told to a receiver that refuses them all."""
    with Receiver() as receiver:
        for number, prompt in enumerate(("a cat", _FAILS)):
            hook = f"hook-{number}"
            address = receiver.address(hook, 503, 503, 503, 503, 503)
            made = stage.post({**cheapest(an_image()), "prompt": prompt, "callback_url": address})
            for _ in range(2):
                stage.get(str(made.get("id")))
            for _ in range(6):
                told = receiver.next(hook, 1.0)
                stage.told.append(stage.plain(json.dumps(told.body if told else None)))
                url = f"{stage.base_url[: stage.base_url.index('/', 8)]}/_mock/clock/advance"
                httpx.post(url, json={"seconds": 5}, trust_env=False, verify=trusted())


_ONE, _TWO = (
    {"Idempotency_Key": "witness-key-00000001"},
    {"Idempotency_Key": "witness-key-00000002"},
)
_FAILS = "a cat [mock:fail=service_error]"
SCRIPTS: dict[str, Callable[[Stage], Any]] = {
    "submit": Stage.post,
    "refusal": lambda stage: stage.post({**cheapest(an_image()), "size": "1x1"}),
    "model": lambda stage: stage.post({**cheapest(an_image()), "model": "none"}),
    "stranger-id": lambda stage: stage.get("task-unified-1-none"),
    "keyless": _keyless,
    "keyless-look": _keyless_look,
    "scheme": lambda stage: _keyless(stage, Authorization=f"Token {KEY}"),
    "bare": lambda stage: _keyless(stage, Authorization=KEY),
    "x-api-key": lambda stage: _keyless(stage, X_API_Key=KEY),
    "query-key": lambda stage: stage.send("GET", f"/v1/tasks/task-unified-1-none?key={KEY}"),
    "wish-429": lambda stage: stage.post(Prefer="code=429"),
    "look": _look,
    "look-late": _late,
    "look-slow": lambda stage: _look(stage, 2),
    "road": lambda stage: _look(stage, 4),
    "slow": lambda stage: _look(stage, 4, X_Mock_Progression="polls=6"),
    "failed": lambda stage: _look(stage, 3, {**cheapest(an_image()), "prompt": _FAILS}),
    "several": lambda stage: _look(stage, 4, {**cheapest(an_image()), "n": 3}),
    "file": lambda stage: _file(stage, an_image()),
    "film": lambda stage: _file(stage, a_film()),
    "twice": lambda stage: _twice(stage, {}, {}),
    "replay": lambda stage: _twice(stage, _ONE, _ONE),
    "two-keys": lambda stage: _twice(stage, _ONE, _TWO),
    "misused-key": _misused,
    "stranger": _stranger,
    "prices": _prices,
    "callback": _callbacks,
}
