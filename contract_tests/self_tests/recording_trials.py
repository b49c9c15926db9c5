"""Whether recorded lives replay equal, and whether secrets are in what was recorded.

`python -m benchmarks.record_replay` runs both; the servers are the reference server and its
variants.
"""

from __future__ import annotations

import json
import random
import re
import time
from base64 import b64encode
from contextlib import contextmanager
from functools import cache
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from attrs import define, field, frozen

from self_tests.reference_server.server import Handler, Server
from self_tests.reference_server.variants import VARIANTS
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow.cli.recording import _judge_of
from wanflow.mock import MockServer, VirtualClock
from wanflow.mock.recording.forwarder import Forwarder
from wanflow.mock.recording.recorder import Recorder
from wanflow.mock.recording.vocabulary import vocabulary_of
from wanflow_contract.checks.boundaries import cheapest, probes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.catalog.catalog import Model
    from wanflow.mock.recording.forwarder import Forwarded
    from wanflow.mock.recording.life import Life

KEY = "sk-a1b2c3d4e5f6a7b8c9"
_YEAR = 366 * 86400.0
_PAUSE, _MOST_POLLS = 0.01, 40
_LINK = re.compile(r"[a-z0-9]+://\S+")
_HEADERS = ("content-type", "retry-after", "idempotency-replayed")


class Unlimited:
    """Lets every submission be sent."""

    def reserve(self, _content: bytes, /) -> None:
        """Reserve nothing."""

    def record(self, _reservation: None, _exchange: Forwarded | None, /) -> None:
        """Record nothing."""


@contextmanager
def recording(upstream: str, folder: Path, *, judged: bool = False) -> Iterator[MockServer]:
    """Run a mock that forwards to a server, and records into a folder."""
    server = MockServer()
    more: dict[str, Any] = {"judge": _judge_of(upstream)} if judged else {}
    recorder = Recorder(folder, vocabulary_of(load_packaged()))
    server.app.instead = forwarder = Forwarder(
        upstream, server.gateway.api.base, recorder, Unlimited(), **more
    )
    try:
        with server:
            yield server
    finally:
        forwarder.close()
    assert not recorder.problem, recorder.problem


@frozen
class LiveLife:
    """What a client saw of one submission: the responses to it and to each poll, and the files."""

    model: Model
    body: dict[str, Any]
    headers: dict[str, str]
    submission: httpx.Response
    polls: list[httpx.Response] = field(factory=list)
    files: list[httpx.Response] = field(factory=list)


@define
class Comparison:
    """The differences between lives and their replays, and how much was compared."""

    lives: int = 0
    responses: int = 0
    values: int = 0
    removed_texts: int = 0
    differences: list[str] = field(factory=list)


def requests(count: int, seed: int) -> Iterator[tuple[Model, dict[str, Any]]]:
    """Yield valid and invalid requests of all models."""
    models = list(packaged_catalog().models.values())
    chooser = random.Random(seed)
    for number, model in enumerate(islice(cycle(models), count)):
        usual = number % 3 != 2
        yield model, cheapest(model) if usual else dict(chooser.choice(_bodies(model.name)))


@cache
def _bodies(model: str) -> list[dict[str, Any]]:
    return [one.body for one in probes_of(packaged_catalog().models[model])]


def live_life(base: str, model: Model, body: dict[str, Any], key: str) -> LiveLife:
    """Submit, poll until the end, and read the files, as a client does."""
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(headers=headers, trust_env=False, timeout=30) as http:
        submission = http.post(base + model.path, json=body)
        life = LiveLife(model, body, headers, submission)
        made = submission.json().get("id") if submission.status_code == 200 else None
        for _ in range(_MOST_POLLS if made else 0):
            poll = http.get(f"{base}/v1/tasks/{made}")
            life.polls.append(poll)
            seen = poll.json() if poll.status_code == 200 else {}
            if seen.get("status") not in {"pending", "processing"}:
                break
            time.sleep(_PAUSE)
        last = life.polls[-1].json() if life.polls else {}
        for link in last.get("results", ()):
            if link.startswith("http"):
                life.files.append(httpx.get(link, trust_env=False, follow_redirects=True))
    return life


def record(
    servers: tuple[type[Server], ...], count: int, folder: Path, seed: int = 1
) -> Iterator[tuple[Path, list[LiveLife]]]:
    """Record lives from each of some servers into a folder of its own."""
    share = -(-count // len(servers))
    for number, kind in enumerate(servers):
        here = min(share, count - number * share)
        if here <= 0:
            return
        own = folder / kind.__name__
        with kind(KEY) as upstream, recording(upstream.origin + upstream.base, own) as mock:
            lives = [
                live_life(mock.base_url, model, body, KEY)
                for model, body in requests(here, seed + number)
            ]
        yield own, lives


def compare(folder: Path, lives: list[LiveLife], found: Comparison) -> None:
    """Replay lives on the virtual clock, and compare each response with the live one."""
    with MockServer(replay=folder, clock=VirtualClock()) as mock:
        replay: Any = mock.app.instead
        recorded = {id(one): one for lives in replay._lives.values() for one in lives}
        assert len(recorded) == len(lives)
        for number, life in enumerate(lives):
            found.lives += 1
            _compare_life(mock, life, found, f"{folder.name} {number}")


def _compare_life(mock: MockServer, life: LiveLife, found: Comparison, at: str) -> None:
    with httpx.Client(headers=life.headers, trust_env=False, timeout=30) as http:
        answer = http.post(mock.base_url + life.model.path, json=life.body)
        pair = _Pair(life.submission, answer, mock.clock.now())
        pair.compare(f"{at} submission", found)
        if not life.polls:
            return
        task: Any = mock.app.instead
        played = task._tasks[answer.json()["id"]]
        begun = mock.clock.now()
        for number, (live, when) in enumerate(zip(life.polls, _times(played.life), strict=True)):
            mock.clock.advance(max(0.0, begun + when - mock.clock.now()))
            pair.live, pair.played = live, http.get(f"{mock.base_url}/v1/tasks/{played.id}")
            pair.compare(f"{at} poll {number}", found)
        links = pair.played.json().get("results", ()) if pair.played.status_code == 200 else ()
        near = [one for one in links if one.startswith(mock.url)]
        for live, link in zip(life.files, near, strict=True):
            _compare_file(live, http.get(link), at, found)


def _times(life: Life) -> Iterator[float]:
    """Yield when each poll was answered: the first and the last time of equal ones are known."""
    for one in life.polls:
        yield one.at
        yield from [one.until] * (one.count - 1)


def _compare_file(live: httpx.Response, played: httpx.Response, at: str, found: Comparison) -> None:
    """Compare two files by their heads; a size that the server doesn't say isn't compared."""
    found.responses += 1
    names = [name for name in ("content-type", "content-length") if name in live.headers]
    was, now = (
        (one.status_code, [one.headers.get(name) for name in names]) for one in (live, played)
    )
    if was != now:
        found.differences.append(f"{at} file: {was}, replayed {now}")


@define
class _Pair:
    """A live response and a replayed one, and when the replayed task began."""

    live: httpx.Response
    played: httpx.Response
    began: float
    ids: tuple[Any, Any] = (None, None)
    live_began: float = field(factory=time.time)

    def compare(self, at: str, found: Comparison) -> None:
        found.responses += 1
        was, now = (
            (one.status_code, [one.headers.get(name) for name in _HEADERS])
            for one in (self.live, self.played)
        )
        if was != now:
            found.differences.append(f"{at}: {was}, replayed {now}")
        first, second = self.live.json(), self.played.json()
        if self.ids == (None, None) and isinstance(first, dict):
            self.ids = (first.get("id"), second.get("id"))
        self._values(first, second, at, found)

    def _values(self, was: Any, now: Any, at: str, found: Comparison) -> None:
        found.values += 1
        if isinstance(was, dict) and isinstance(now, dict) and list(was) == list(now):
            for name in was:
                self._values(was[name], now[name], f"{at}/{name}", found)
        elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
            for index, (one, other) in enumerate(zip(was, now, strict=True)):
                self._values(one, other, f"{at}/{index}", found)
        elif not self._same(was, now, found):
            found.differences.append(f"{at}: {was!r}, replayed {now!r}")

    def _same(self, was: Any, now: Any, found: Comparison) -> bool:
        if type(was) is not type(now):
            return False
        if was == now or (was, now) == self.ids:
            return True
        if isinstance(was, str):
            removed = now == f"(text of {len(was)} characters)"
            found.removed_texts += removed
            return removed or bool(_LINK.fullmatch(was) and _LINK.fullmatch(now))
        times = isinstance(was, int | float) and abs(was - time.time()) < _YEAR
        return times and abs(now - self.began) < _YEAR


def replay_trial(count: int, folder: Path, servers: tuple[type[Server], ...] = ()) -> Comparison:
    """Record lives and compare their replays."""
    found = Comparison()
    for own, lives in record(servers or (Server, *VARIANTS), count, folder):
        compare(own, lives, found)
    return found


PROMPT = "Zanzibar quixotic lighthouse"
PLANTED = {
    "key": KEY,
    "key in another header": "xk-9f8e7d6c5b4a",
    "key in the query": "qk-1029384756",
    "key in the body": "bk-5647382910",
    "base64 of a key": b64encode(b"user:pa55-w0rd-plain").decode(),
    "prompt": PROMPT,
    "negative prompt": "gruesome wombats",
    "signature of an image link": "imgsig0123456789abcdef",
    "signature of a result link": "ressig0123456789abcdef",
    "token of a callback link": "cbtoken0123456789",
    "cookie": "cookie-session-778899",
    "Set-Cookie": "setcookie-554433",
    "header of another scheme": "amz-token-24681012",
    "name of a header": "x-tenant-acme-corp",
    "idempotency key": "idem-key-0011223344556677",
    "user agent": "agent-of-acme-13579",
    "account in a response": "jane.doe@acme.example",
    "tenant that is a property's name": "tenant_acme_secret",
    "id of the request in an error": "req-aabbccddeeff0011",
    "id of the task": "",
}
"""What a client or a server sends that must not be recorded; the id is known later."""


class EchoHandler(Handler):
    """Sends everything that it got back: in headers, links, texts, names and errors."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Add headers with secrets."""
        super().send_response(code, message)
        self.send_header("Set-Cookie", f"sid={PLANTED['Set-Cookie']}")
        self.send_header("X-Request-Id", PLANTED["id of the request in an error"])
        self.send_header("X-Echo-Key", self.headers.get("Authorization", ""))

    def reply(self, status: int, kind: str, content: bytes) -> None:
        """Echo the request in every body."""
        if kind.startswith("application/json"):
            body = json.loads(content)
            sent = dict(self.headers)
            said = f"{PROMPT} was refused for {sent.get('Authorization')}; {self.requestline}"
            body |= {
                "headers": sent,
                PLANTED["tenant that is a property's name"]: True,
                "account": PLANTED["account in a response"],
                KEY: {"code": KEY, "type": PROMPT, "message": said},
                PROMPT.split(maxsplit=1)[0]: 1,
                PROMPT.split()[1].upper(): 2,
            }
            if "error" in body:
                body["error"] |= {"message": said, "code": KEY, "param": PROMPT.split()[1]}
            task = self.path.rpartition("/")[2]
            asked = self.server.tasks.get(task, {}).get("asked", {})
            content = json.dumps({**body, "asked": asked, "said": str(asked)}).encode()
        super().reply(status, kind, content)


class Echoing(Server):
    """A server that echoes secrets."""

    def handler(self) -> type[Handler]:
        """Return the echoing handler."""
        return EchoHandler

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        """Sign the links."""
        seen = super().poll(key, task_id)
        if "results" in seen:
            signed = [
                f"{one}?sig={PLANTED['signature of a result link']}" for one in seen["results"]
            ]
            seen |= {"results": signed, "result_data": [{"url": one} for one in signed]}
        return seen


def plant(folder: Path) -> dict[str, str]:
    """Record lives full of secrets; return all secrets by name."""
    model = next(
        one
        for one in packaged_catalog().models.values()
        if {"image_urls", "callback_url"} <= one.parameters.keys()
    )
    body = {
        **cheapest(model),
        "prompt": PROMPT,
        "negative_prompt": PLANTED["negative prompt"],
        "image_urls": [f"https://a.example/i.png?sig={PLANTED['signature of an image link']}"],
        "callback_url": f"https://b.example/?token={PLANTED['token of a callback link']}",
        "api_key": PLANTED["key in the body"],
    }
    headers = {
        "authorization": f"Bearer {KEY}",
        "x-api-key": PLANTED["key in another header"],
        "x-proxy-auth": f"Basic {PLANTED['base64 of a key']}",
        "cookie": f"sid={PLANTED['cookie']}",
        "x-amz-security-token": PLANTED["header of another scheme"],
        PLANTED["name of a header"]: PLANTED["tenant that is a property's name"],
        "idempotency-key": PLANTED["idempotency key"],
        "user-agent": PLANTED["user agent"],
    }
    query = f"?api_key={PLANTED['key in the query']}"
    traffic, secrets = list[str](), dict(PLANTED)
    with (
        Echoing(KEY) as server,
        recording(server.origin + server.base, folder, judged=True) as mock,
        httpx.Client(headers=headers, trust_env=False, base_url=mock.base_url) as http,
    ):
        made = http.post(model.path + query, json=body)
        secrets["id of the task"] = made.json()["id"]
        for _ in range(6):
            traffic += _shown(http.get(f"/v1/tasks/{made.json()['id']}{query}"))
            time.sleep(0.02)
        wrong = {"authorization": f"Basic {PLANTED['base64 of a key']}"}
        traffic += _shown(made)
        traffic += _shown(http.post(model.path + query, json=body, headers=wrong))
        traffic += _shown(http.post(model.path, json={**body, "image_urls": PROMPT}))
        traffic += _shown(http.post(model.path, content=f"no json {KEY} {PROMPT}".encode()))
    for name, secret in secrets.items():
        assert any(secret in one for one in traffic), f"{name} was not sent"
    return secrets


def _shown(response: httpx.Response) -> list[str]:
    sent = response.request
    return [
        sent.content.decode(),
        str(sent.url),
        response.text,
        *(f"{name}: {value}" for name, value in (*sent.headers.items(), *response.headers.items())),
    ]


def leaks(folder: Path, secrets: dict[str, str]) -> list[str]:
    """Return the names of the secrets that are in any file of a folder, in any common form."""
    content = b"\n".join(
        one.read_bytes() + one.name.encode() for one in sorted(folder.rglob("*")) if one.is_file()
    ).lower()
    assert b"wanflow-life" in content
    return [
        name
        for name, secret in secrets.items()
        if any(form.lower() in content for form in _forms(secret))
    ]


def _forms(secret: str) -> set[bytes]:
    """Return a secret, its encodings, and its words; those of a prompt are secret, too."""
    raw = secret.encode()
    words = [
        one.encode() for one in re.split(r"[\s.@]+", secret) if len(one) > 4 and one != "example"
    ]
    # The first letters of base64 at each of three offsets.
    coded = [b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
    return {raw, raw.hex().encode(), quote(secret, safe="").encode(), *coded, *words}
