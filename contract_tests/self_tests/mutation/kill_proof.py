"""Scripts that show a fault: short exchanges, run on the unmodified mock and on the mutant.

Ids, ports and times, which differ from run to run, are replaced before the comparison.
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
from wanflow_contract.support.receiver import Receiver
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from self_tests.mutation.mutant import Mutant

_AHEAD = 600
_MAX_RUNS = 8
KEY, OTHER_KEY = "witness-key-of-the-first", "witness-key-of-another"
_ID = re.compile(r"task-(?:unified-)?[0-9]+-[a-z0-9]+")
_HEADERS = (
    *("content-type", "retry-after", "idempotency-replayed", "www-authenticate", "allow"),
    *("cache-control", "expires", "content-encoding", "content-range"),
)


def _of_file(content: bytes) -> str:
    """Return what is the same for each file of the mock: its beginning, and how it is made."""
    header = content[content.find(b"mvhd") :][:24] if b"mvhd" in content else b""
    parts = [one for one in (b"moov", b"vide", bytes(20)) if one in content]
    return f"{content[:24].hex()} {header[16:].hex()} {parts}"


@define
class ScriptRunner:
    """Sends the requests of a script to a server, and logs the responses."""

    base_url: str
    _http: httpx.Client = field(repr=False)
    slowness: float = 1.0
    """How many times longer than on a quiet machine the script waits for a callback."""
    log: list[str] = field(factory=list)
    _names: dict[str, str] = field(factory=dict)

    def post(self, body: Any = None, key: str | None = KEY, **headers: str) -> Any:
        """Submit a body, by default one of an image model."""
        body = cheapest(image_model()) if body is None else body
        model = packaged_catalog().models.get(str(body.get("model")), image_model())
        return self.send("POST", model.path, key, json=body, headers=headers)

    def get(self, task_id: str, key: str | None = KEY, **headers: str) -> Any:
        """Query a task."""
        return self.send("GET", f"/v1/tasks/{task_id}", key, headers=headers)

    def send(self, method: str, path: str, key: str | None = None, **more: Any) -> Any:
        """Send a request, log the response, and return the decoded body, {} if it isn't JSON."""
        headers = {name.replace("_", "-"): value for name, value in more.pop("headers", {}).items()}
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key}")
        url = path if "://" in path else self.base_url + path
        try:
            response = self._http.request(method, url, headers=headers, **more)
        except httpx.HTTPError as error:
            self.log.append(f"{method} -> {type(error).__name__}")
            return {}
        proven = [f"{name}: {response.headers.get(name)}" for name in _HEADERS]
        kind = _of_file(response.content) if "/media/" in url else self.plain(response.text)
        self.log.append(f"{method} -> {response.status_code} {proven} {kind}")
        try:
            return response.json()
        except ValueError:
            return {}

    def received(self, receiver: Receiver, hook: str, seconds: float) -> Any:
        """Return the next callback to a hook, None if none comes in so many seconds."""
        return receiver.next(hook, seconds * self.slowness)

    def plain(self, text: str) -> str:
        text = re.sub(r"\b[0-9]{10}\b(?!-)", _replace_time, text)
        text = re.sub(r"127\.0\.0\.1:[0-9]+", "HOST", text)
        return _ID.sub(lambda found: self._named(found[0]), text)

    def _named(self, name: str) -> str:
        self._names.setdefault(
            name, f"{'task-unified' if 'unified' in name else 'task'}-{len(self._names)}"
        )
        return self._names[name]


def _replace_time(found: re.Match[str]) -> str:
    """Replace a time near the present, or one that a clock was advanced to."""
    return "NOW" if -60 < int(found[0]) - time.time() < _AHEAD else found[0]


def image_model() -> Any:
    """Return a model that generates several images of a given size."""
    models = packaged_catalog().models.values()
    return next(one for one in models if "size" in one.parameters)


def video_model() -> Any:
    """Return a model that generates videos of a given duration."""
    models = packaged_catalog().models.values()
    return next(one for one in models if "duration" in one.parameters)


def shows_fault(mutant: Mutant) -> list[str] | None:
    """Return the log of the mutant, None if it is the same as that of the unmodified mock.

    Raises:
        RuntimeError: the unmodified mock gives a different log each time.
    """
    slowness = 1.0
    log = [_run_unmodified(mutant, slowness), _run_unmodified(mutant, slowness)]
    while log[-1] != log[-2]:  # on a busy machine a callback is late
        if len(log) == _MAX_RUNS:
            raise RuntimeError(f"the script {mutant.script} has a different log each time")
        slowness *= 1.5
        log.append(_run_unmodified(mutant, slowness))
    right = log[-1]
    with mutant.opened() as faulty:
        wrong = _run_script(faulty, mutant, slowness)
    return wrong if wrong != right else None


def proven(mutants: Sequence[Mutant], jobs: int) -> list[Mutant]:
    """Return the mutants whose fault a script shows, in order; several processes share the work."""
    with ProcessPoolExecutor(jobs, get_context("fork"), _SHARED.extend, (mutants,)) as pool:
        log = pool.map(_is_proven, range(len(mutants)), chunksize=8)
        return [one for one, seen in zip(mutants, log, strict=True) if seen]


_SHARED: list[Mutant] = []


def _is_proven(number: int) -> bool:
    return shows_fault(_SHARED[number]) is not None


def _run_unmodified(mutant: Mutant, slowness: float) -> list[str]:
    with MockServer(polls=2, **mutant.options) as unmodified:
        return _run_script(unmodified, mutant, slowness)


def _run_script(server: MockServer, mutant: Mutant, slowness: float) -> list[str]:
    with httpx.Client(trust_env=False, timeout=5 * slowness, verify=tls_context()) as http:
        runner = ScriptRunner(server.base_url, http, slowness)
        if mutant.probe is not None:
            runner.post(dict(mutant.probe))
        else:
            SCRIPTS[mutant.script](runner)
        return runner.log


def _poll(runner: ScriptRunner, polls: int = 1, body: Any = None, **headers: str) -> Any:
    made, seen = runner.post(body, **headers), {}
    for _ in range(polls):
        seen = runner.get(str(made.get("id", "none")))
    return seen


def _file(runner: ScriptRunner, model: Any) -> None:
    seen = _poll(runner, 2, cheapest(model))
    for link in seen.get("results") or ():
        runner.send("GET", str(link))


def _keyless(runner: ScriptRunner, **headers: str) -> None:
    made = runner.post()
    runner.post(key=None, **headers)
    runner.get(str(made.get("id")), None, **headers)


def _keyless_poll(runner: ScriptRunner) -> None:
    seen = _poll(runner)
    runner.get(str(seen.get("id")), None)


def _twice(runner: ScriptRunner, one: dict[str, str], two: dict[str, str]) -> None:
    for headers in (one, two, two):
        runner.post(**headers)


def _late_poll(runner: ScriptRunner) -> None:
    made = runner.post()
    time.sleep(0.01)
    runner.get(str(made.get("id")))


def _other_account(runner: ScriptRunner) -> None:
    made = runner.post()
    runner.get(str(made.get("id")), OTHER_KEY)


def _misused(runner: ScriptRunner) -> None:
    key = "witness-key-00000001"
    runner.post(Idempotency_Key=key)
    runner.post({**cheapest(image_model()), "prompt": "another"}, Idempotency_Key=key)


def _prices(runner: ScriptRunner) -> None:
    for duration in (5, 10):
        runner.post({**cheapest(video_model()), "duration": duration})


def _callbacks(runner: ScriptRunner) -> None:
    """Have a completed and a failed task reported to a receiver that rejects all callbacks."""
    with Receiver() as receiver:
        for number, prompt in enumerate(("a cat", _FAILS)):
            hook = f"hook-{number}"
            address = receiver.address(hook, 503, 503, 503, 503, 503)
            made = runner.post(
                {**cheapest(image_model()), "prompt": prompt, "callback_url": address}
            )
            for _ in range(2):
                runner.get(str(made.get("id")))
            for _ in range(6):
                log = runner.received(receiver, hook, 1.0)
                runner.log.append(runner.plain(json.dumps(log.body if log else None)))
                time.sleep(0.02 * runner.slowness)  # the sender gets the response, and waits again
                url = f"{runner.base_url[: runner.base_url.index('/', 8)]}/_mock/clock/advance"
                httpx.post(url, json={"seconds": 5}, trust_env=False, verify=tls_context())


_ONE, _TWO = (
    {"Idempotency_Key": "witness-key-00000001"},
    {"Idempotency_Key": "witness-key-00000002"},
)
_FAILS = "a cat [mock:fail=service_error]"
SCRIPTS: dict[str, Callable[[ScriptRunner], Any]] = {
    "submit": ScriptRunner.post,
    "refusal": lambda runner: runner.post({**cheapest(image_model()), "size": "1x1"}),
    "model": lambda runner: runner.post({**cheapest(image_model()), "model": "none"}),
    "unknown-id": lambda runner: runner.get("task-unified-1-none"),
    "keyless": _keyless,
    "keyless-poll": _keyless_poll,
    "scheme": lambda runner: _keyless(runner, Authorization=f"Token {KEY}"),
    "bare": lambda runner: _keyless(runner, Authorization=KEY),
    "x-api-key": lambda runner: _keyless(runner, X_API_Key=KEY),
    "query-key": lambda runner: runner.send("GET", f"/v1/tasks/task-unified-1-none?key={KEY}"),
    "rate-limit": lambda runner: runner.post(Prefer="code=429"),
    "poll": _poll,
    "poll-late": _late_poll,
    "poll-slow": lambda runner: _poll(runner, 2),
    "poll-to-end": lambda runner: _poll(runner, 4),
    "slow": lambda runner: _poll(runner, 4, X_Mock_Progression="polls=6"),
    "failed": lambda runner: _poll(runner, 3, {**cheapest(image_model()), "prompt": _FAILS}),
    "several": lambda runner: _poll(runner, 4, {**cheapest(image_model()), "n": 3}),
    "file": lambda runner: _file(runner, image_model()),
    "video": lambda runner: _file(runner, video_model()),
    "twice": lambda runner: _twice(runner, {}, {}),
    "replay": lambda runner: _twice(runner, _ONE, _ONE),
    "two-keys": lambda runner: _twice(runner, _ONE, _TWO),
    "misused-key": _misused,
    "other-account": _other_account,
    "prices": _prices,
    "callback": _callbacks,
}
