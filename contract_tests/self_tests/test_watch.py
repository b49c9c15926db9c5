"""Watching: exchanges that happen anyway are judged, and nothing is sent for it."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import httpx
import pytest
from attrs import evolve

from wanflow import AsyncClient, Client
from wanflow.mock import MockServer, MockTransport
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.report.result import ExitCode
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.watch import remembered
from wanflow_contract.watch.client_hook import JudgingTransport
from wanflow_contract.watch.observer import Observer
from wanflow_contract.watch.recorded import Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

KEY, OTHER = "a-key-that-nobody-may-read", "the-key-of-somebody-else-1"
BASE = "https://api.example/deep/below/v1-of-it"
MODEL = next(one for one in packaged_contract().catalog.models.values() if one.kind == "image")
JSON = (("Content-Type", "application/json"),)
TASK = {"created": 1_790_000_000, "id": "task-unified-1-a", "model": MODEL.name}
TASK |= {"object": "image.generation.task", "type": "image"}
DATE = (*JSON, ("Date", "Mon, 21 Sep 2026 14:13:20 GMT"))
LINK = "https://files.example/1.png"


def exchange(
    method: str,
    path: str,
    answer: Any,
    sent: Any = None,
    *,
    status: int = 200,
    key: str | None = KEY,
    headers: Any = DATE,
) -> Exchange:
    """Return an exchange with the API below the base URL."""
    given = (("Authorization", f"Bearer {key}"), *JSON) if key else JSON
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    body = b"" if sent is None else json.dumps(sent).encode()
    return Exchange(method, BASE + path, path, given, body, status, headers, content)


def submission(**more: Any) -> Exchange:
    answer = {**TASK, "status": "pending", "progress": 0}
    return exchange("POST", MODEL.path, answer, cheapest(MODEL), **more)


def poll(status: str, progress: int, **more: Any) -> Exchange:
    fields = {"results": [LINK]} if status == "completed" else {}
    answer = {**TASK, "status": status, "progress": progress, **fields}
    return exchange("GET", f"/v1/tasks/{TASK['id']}", answer, **more)


def refusal(status: int, kind: str, code: Any = None, **more: Any) -> Exchange:
    error = {"code": code or status, "message": "No, not now.", "type": kind}
    return evolve(poll("pending", 0, **more), status=status, content=dumped({"error": error}))


def dumped(data: Any) -> bytes:
    return json.dumps(data).encode()


def found(*exchanges: Exchange, base_url: str = BASE) -> list[str]:
    """Return the names of the checks that failed, without errors inside a check."""
    observer = Observer(base_url)
    for number, one in enumerate(exchanges):
        observer.observe(one, float(number), number + 0.5)
    assert not observer.errors
    return sorted({one.check for one in observer.result().findings})


def test_a_correct_life_is_no_finding_at_any_server_time() -> None:
    """The Date header says what time it is for the server, months away from here."""
    life = (submission(), poll("pending", 0), poll("processing", 40), poll("completed", 100))
    assert found(*life) == []
    assert found(*life, base_url="") == []


def test_a_time_that_contradicts_the_date_header_is_a_finding() -> None:
    """Milliseconds in place of seconds are found without a clock of one's own."""
    answer = {**TASK, "created": TASK["created"] * 1000, "status": "pending"}
    assert found(exchange("POST", MODEL.path, answer, cheapest(MODEL))) == ["created"]


def test_one_exchange_never_hides_the_next_check_or_exchange() -> None:
    """All failures are recorded, each for its check."""
    wrong = (
        evolve(submission(), status=201),
        poll("completed", 40),
        poll("processing", 50),
        exchange("GET", "/v1/tasks/task-unified-2-b", b"<html>"),
    )
    assert {"accepts", "documented-status", "progress-100", "forward", "json"} <= {*found(*wrong)}


def test_a_task_that_was_submitted_before_the_watch_is_judged_from_its_first_poll() -> None:
    """Its number of results is unknown, and everything else isn't."""
    many = evolve(
        poll("completed", 100),
        content=dumped({**TASK, "status": "completed", "progress": 100, "results": [LINK, "b:c"]}),
    )
    assert found(poll("processing", 20), many) == []
    assert found(poll("processing", 20), poll("processing", 10)) == ["progress"]
    assert found(poll("completed", 100), poll("processing", 50)) != []
    assert found(poll("completed", 90)) == ["progress-100"]


@pytest.mark.parametrize(
    ("reserved", "used", "check"),
    [
        ((1.5, 6.0, 1.5), (1.5, 6.0, 1.5), []),
        ((1.5, 1.5, 1.5), (), ["pre-charge"]),
        ((), (1.5, 1.5, 1.5), ["charge"]),
        ((1.5, 1.5), (), []),
    ],
    ids=["in proportion", "reserved", "used", "a price may have changed"],
)
def test_the_price_of_several_images_is_compared_with_that_of_one(reserved, used, check) -> None:
    """Whatever the client sends: what is reserved for them, and what they have used."""
    exchanges = list[Exchange]()
    for at, count in enumerate((1, 4, 1)[: len(reserved or used)]):
        task = {**TASK, "id": f"task-unified-{at}", "status": "pending", "progress": 0}
        cost = {"usage": {"credits_reserved": reserved[at]}} if reserved else {}
        asked = {**cheapest(MODEL), "n": count}
        exchanges.append(exchange("POST", MODEL.path, task | cost, asked))
        links = [f"https://files.example/{at}/{one}.png" for one in range(count)]
        ended = task | {"status": "completed", "progress": 100, "results": links}
        cost = {"usage": {"credits_used": used[at]}} if used else {}
        exchanges.append(exchange("GET", f"/v1/tasks/{task['id']}", ended | cost))
    assert found(*exchanges) == check


@pytest.mark.parametrize("results", [{}, {"results": []}], ids=["absent", "empty"])
def test_links_may_be_gone_a_day_later(results) -> None:
    """They are valid for 24 hours; before that, a task that loses them is a finding."""
    gone = {**TASK, "status": "completed", "progress": 100, **results}
    later = evolve(poll("completed", 100), content=dumped(gone))
    dates = ["Mon, 21 Sep 2026 15:13:20 GMT", "Tue, 22 Sep 2026 14:13:21 GMT"]
    early, late = (evolve(later, headers=(*JSON, ("Date", one))) for one in dates)
    ended = (submission(), poll("completed", 100))
    assert found(*ended, early) == ["final", "results"]
    assert found(*ended, late, poll("completed", 100)) == []


def test_responses_that_overlap_have_no_order() -> None:
    """A poll that was sent before another one ended may have the older state."""
    for overlapping, findings in ((True, []), (False, ["forward", "progress"])):
        observer = Observer(BASE)
        observer.observe(submission(), 0, 1)
        observer.observe(poll("processing", 60), 2, 5)
        observer.observe(poll("pending", 10), 3 if overlapping else 6, 7)
        assert sorted(one.check for one in observer.result().findings) == findings


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (402, "insufficient_quota_error"),
        (403, "permission_error"),
        (429, "rate_limit_error"),
        (502, "x"),
        (503, "x"),
        (504, "x"),
    ],
)
def test_a_refusal_of_the_account_or_of_an_intermediary_says_nothing_of_the_request(
    status: int, kind: str
) -> None:
    """The observer doesn't know what an account may do."""
    found_ = found(
        evolve(refusal(status, kind), method="POST", url=BASE + MODEL.path, path=MODEL.path,
               sent=dumped(cheapest(MODEL))),
        submission(),
        refusal(status, kind),
    )  # fmt: skip
    assert {"accepts", "found", "unknown"}.isdisjoint(found_)


def test_another_key_of_an_account_sees_its_tasks() -> None:
    """Two keys may belong to one account, so access with the second is no finding."""
    assert found(submission(), poll("pending", 0, key=OTHER)) == []
    assert found(submission(), poll("processing", 9), poll("pending", 0, key=OTHER)) != []


def test_a_response_without_a_key_is_a_finding() -> None:
    """A task query needs a key."""
    assert found(submission(), poll("pending", 0, key=None)) == ["key-required"]


def test_no_key_is_stored_or_reported() -> None:
    """Neither in a finding nor in the observer's memory, also in a response to another account."""
    observer = Observer(BASE)
    leaking = {**TASK, "status": "pending", "secret": KEY}
    more = (("Cookie", "session=cookie-of-the-session"), ("X-Api-Key", KEY))
    first = exchange("POST", MODEL.path, leaking, cheapest(MODEL), headers=(*DATE, ("X-Key", KEY)))
    observer.observe(evolve(first, request_headers=(*first.request_headers, *more)))
    observer.observe(exchange("GET", f"/v1/tasks/{KEY}", {"key": KEY}, key=OTHER))
    assert "leak" in {one.check for one in observer.result().findings}
    text = json.dumps(observer.result().to_json()) + _everything(observer)
    for secret in (KEY, OTHER, KEY[:-1], "cookie-of-the-session"):
        assert secret not in text


def _everything(node: Any, seen: set[int] | None = None) -> str:
    """Return the texts of all objects that can be reached."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return ""
    seen.add(id(node))
    if isinstance(node, bytes | str):
        return f"{node!r}\n"
    inner: list[Any] = []
    if isinstance(node, dict):
        inner = [one for pair in node.items() for one in pair]
    elif isinstance(node, list | tuple | set | frozenset):
        inner = list(node)
    elif type(node).__module__.startswith("wanflow_contract"):
        names = getattr(node, "__slots__", ()) or vars(node)
        inner = [getattr(node, name, None) for name in names]
    return "".join(_everything(one, seen) for one in inner)


def test_an_error_inside_a_check_is_no_finding() -> None:
    """It is an error of the suite, with its own exit code, and the watch goes on."""
    observer = Observer(BASE)
    observer.tasks.state.models = {}  # type: ignore[assignment]
    observer.observe(exchange("POST", MODEL.path, {**TASK, "status": "pending"}, cheapest(MODEL)))
    observer.tasks.files = None  # type: ignore[assignment]
    observer.observe(poll("pending", 0))
    result = observer.result()
    assert not result.new
    assert "AttributeError" in result.errors[0].text
    assert result.exit_code == ExitCode.SUITE_ERROR


def test_a_replayed_submission_is_the_same_task() -> None:
    """A retry with the same idempotency key may get the same id, and another key may not."""
    first = submission()
    with_key = [
        evolve(first, request_headers=(*first.request_headers, ("Idempotency-Key", key)))
        for key in ("one", "one", "two")
    ]
    assert found(*with_key[:2]) == []
    assert found(with_key[0], with_key[2]) == ["new-task"]


@pytest.mark.parametrize("content", [b'{"id": "task-unified-1-1"}', b"\x1f\x8b\x08broken"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, deflate"])
def test_a_body_that_is_not_in_the_coding_of_its_header_is_a_finding(coding, content) -> None:
    """No client can read it. Of a part, or of a body that was cut, nothing is known."""
    received = (("content-encoding", coding), ("content-type", "application/json"))
    for status, complete, path, found in (
        (200, True, "/v1/tasks/task-unified-1-1", ["responds"]),
        (200, False, "/v1/tasks/task-unified-1-1", []),
        (206, True, "/v1/tasks/task-unified-1-1", []),
        (200, True, "/another", []),
    ):
        observer, url = Observer(BASE), BASE + path
        one = Recorded("GET", url, (), b"", status, received, content, 1.0, 2.0, complete)
        one.judge(observer)
        result = observer.result()
        assert ([one.check for one in result.findings], result.errors) == (found, [])


@pytest.mark.parametrize(("coding", "said"), [("br", "pip install brotli"), ("odd", "'odd'")])
def test_a_response_that_cannot_be_read_is_named_with_its_coding(coding, said) -> None:
    """A watch that judged nothing says why."""
    observer, received = Observer(BASE), (("content-encoding", coding),)
    url = BASE + "/v1/tasks/task-unified-1-a"
    with patch("wanflow_contract.watch.recorded._known_codings", lambda: {"gzip"}):
        Recorded("GET", url, (), b"", 200, received, b"\x0b\x02", 0.0, 1.0).judge(observer)
        Recorded("GET", url, (), b"", 200, (), b"{}", 0.0, 1.0).judge(observer)
    result = observer.result()
    assert observer.not_judged == 1
    assert [one for one in observer.limits() if "1 response in the coding" in one and said in one]
    assert any(said in one.reason for one in result.tests)


def test_a_used_key_with_another_body_may_be_refused_in_any_way() -> None:
    """400 is the one of the three statuses for it that the documents list."""
    first = submission()
    first = evolve(first, request_headers=(*first.request_headers, ("Idempotency-Key", "1")))
    error = {"error": {"code": 400, "message": "No.", "type": "invalid_request_error"}}
    other = dumped({**cheapest(MODEL), "prompt": "quite another prompt"})
    for status in (400, 409, 422):
        again = evolve(first, status=status, content=dumped(error))
        assert "accepts" not in found(first, evolve(again, sent=other))
    assert found(first, evolve(first, status=400, content=dumped(error))) == ["accepts"]


def test_a_refusal_is_a_finding_once_its_headers_are_known_to_be_accepted() -> None:
    """A server may refuse a header that the documents don't mention; then it is a note."""
    accepted = submission()
    accepted = evolve(
        accepted, request_headers=(*accepted.request_headers, ("Idempotency-Key", "1"))
    )
    error = {"error": {"code": 400, "message": "No.", "type": "invalid_request_error"}}
    refused = evolve(accepted, status=400, content=dumped(error))
    for exchanges, check in (
        ([refused], "idempotent"),
        ([accepted, refused], "accepts"),
        ([refused, accepted], "accepts"),
    ):
        assert found(*exchanges) == [check]


def test_files_are_judged_by_what_was_requested() -> None:
    """A result URL that serves a page, or nothing, is a finding; any other URL isn't judged."""
    page = Exchange("GET", LINK, LINK, (), b"", 200, (("Content-Type", "text/html"),), b"<html>")
    ended = (submission(), poll("completed", 100))
    assert found(*ended, page) == ["link", "link-type"]
    assert "link" in found(*ended, evolve(page, status=404))
    assert found(*ended, evolve(page, url="https://files.example/2.png")) == []
    assert found(*ended, evolve(page, status=429)) == []
    moved = (("Location", "/elsewhere.png"),)
    there = evolve(page, url="https://files.example/elsewhere.png")
    assert found(*ended, evolve(page, status=302, headers=moved)) == []
    assert found(*ended, evolve(page, status=302, headers=moved), there) == ["link", "link-type"]


def _client(inner: Any, observer: Observer) -> Client:
    return Client(KEY, inner.base_url, transport=JudgingTransport(inner, observer))


def test_every_exchange_of_a_client_is_judged() -> None:
    """Submission, polls and the download, and nothing more is sent."""
    observer = Observer()
    with MockTransport(polls=2) as inner, _client(inner, observer) as client:
        client.submit(cheapest(MODEL)).wait()
    result = observer.result()
    assert (result.new, result.errors, result.exit_code) == ([], [], 0)
    assert result.counters.tasks == 1
    evaluated = {one[:2] for one in result.evaluations}
    assert {("receipt", "createImageGeneration"), ("forward", "getTaskDetail")} <= evaluated


def test_every_exchange_of_an_async_client_is_judged() -> None:
    """The same transport serves both clients."""
    observer = Observer()

    async def generate() -> None:
        async with MockTransport(polls=2) as inner:
            judged = JudgingTransport(inner, observer)
            async with AsyncClient(KEY, inner.base_url, transport=judged) as client:
                await (await client.submit(cheapest(MODEL))).wait()

    asyncio.run(generate())
    assert observer.result().counters.tasks == 1
    assert observer.result().new == []


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_transport_of_either_library_is_judged(library: str) -> None:
    """Over a socket, sync and async: the client uses the library of the transport."""
    http, observer = import_module(library), Observer()

    async def generate(base_url: str) -> None:
        judged = JudgingTransport(http.AsyncHTTPTransport(), observer)
        async with AsyncClient(KEY, base_url, transport=judged) as client:
            await (await client.submit(cheapest(MODEL))).wait()

    with MockServer(seconds=0.2) as mock:
        judged = JudgingTransport(http.HTTPTransport(), observer)
        assert isinstance(judged, http.BaseTransport)
        with Client(KEY, mock.base_url, transport=judged) as client:
            client.submit(cheapest(MODEL)).wait()
        asyncio.run(generate(mock.base_url))
    result = observer.result()
    assert (result.counters.tasks, result.new, result.errors) == (2, [], [])


class _Faulty(httpx.BaseTransport):
    """Changes the responses of another transport."""

    def __init__(self, inner: httpx.BaseTransport, change: Callable[[Any], Any]) -> None:
        self._inner, self._change = inner, change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        body = self._change(json.loads(response.read()))
        return httpx.Response(response.status_code, json=body)


def test_a_fault_is_found_by_a_client_that_does_not_mind() -> None:
    """The client goes on, and the observer has the finding."""
    observer = Observer()

    def change(body: Any) -> Any:
        return {**body, "progress": 100, "duration": -1}

    with MockTransport(polls=2) as inner:
        transport = JudgingTransport(_Faulty(inner, change), observer)
        with Client(KEY, inner.base_url, transport=transport) as client:
            client.submit(cheapest(MODEL)).wait()
    assert "duration" in {one.check for one in observer.result().findings}


def test_a_body_that_is_not_read_to_its_end_is_not_judged() -> None:
    """A client may close a response early."""
    observer = Observer()
    inner = httpx.MockTransport(lambda _: httpx.Response(200, content=iter([b"{", b"}"])))
    http = httpx.Client(transport=JudgingTransport(inner, observer))
    with http.stream("GET", f"{BASE}/v1/tasks/task-unified-1-a"):
        pass
    assert observer.not_judged == 1
    assert not observer.result().findings


def test_headers_are_judged_as_they_were_received() -> None:
    """A client may edit the headers of a response, as wanflow does with Location."""
    observer = Observer(BASE)
    moved = {"Location": "/elsewhere.png", "Date": DATE[-1][1]}
    ended = f"{BASE}/v1/tasks/{TASK['id']}"
    answers = {
        ended: httpx.Response(200, json={**TASK, "status": "completed", "results": [LINK]}),
        LINK: httpx.Response(302, content=iter([b""]), headers=moved),
    }
    http = httpx.Client(
        transport=JudgingTransport(
            httpx.MockTransport(lambda request: answers[str(request.url)]), observer
        )
    )
    http.get(ended, headers={"Authorization": f"Bearer {KEY}"})
    with http.stream("GET", LINK) as response:
        del response.headers["Location"]
        response.read()
    assert observer.result().new == []


_TESTS = """
import httpx
from wanflow.mock import MockTransport

def get(judging, inner, url="http://any.example"):
    httpx.Client(transport=judging(inner)).get(f"{url}/v1/tasks/task-unified-1")

def test_right(judging):
    with MockTransport() as mock:
        get(judging, mock, mock.base_url)

def test_wrong(judging):
    get(judging, httpx.MockTransport(lambda request: httpx.Response(200, text="hello")))
"""


class _Failed:
    """A pytest plugin that keeps what failed."""

    def __init__(self) -> None:
        self.reports = list[Any]()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.reports.append(report)


def test_the_fixture_fails_a_test_whose_server_deviates(tmp_path) -> None:
    """And passes one whose server doesn't."""
    (tmp_path / "test_it.py").write_text(_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    failed = _Failed()
    options = ["-p", "wanflow_contract.watch.fixture", "-p", "no:cacheprovider", "-p", "no:xdist"]
    pytest.main([str(tmp_path), "-q", f"--rootdir={tmp_path}", *options], plugins=[failed])
    (only,) = failed.reports
    assert (only.when, only.nodeid) == ("teardown", "test_it.py::test_wrong")
    assert "the server deviates from the documents" in str(only.longrepr)


@pytest.mark.parametrize(("most_tasks", "most_bytes"), [(50, 1 << 30), (10_000, 100_000)])
def test_the_memory_of_a_long_watch_is_bounded(monkeypatch, most_tasks, most_bytes) -> None:
    """Old tasks are forgotten, by number and by size, and the result says how many."""
    monkeypatch.setattr(remembered, "_MOST_TASKS", most_tasks)
    monkeypatch.setattr(remembered, "_MOST_BYTES", most_bytes)
    observer = Observer(BASE)
    for number in range(400):
        task = {**TASK, "id": f"task-unified-1-{number}"}
        body = {**cheapest(MODEL), "prompt": f"cat {number}"}
        made = exchange("POST", MODEL.path, {**task, "status": "pending", "progress": 0}, body)
        done = {"status": "completed", "progress": 100, "results": [f"{LINK}?{number}"]}
        seen = exchange("GET", f"/v1/tasks/{task['id']}", {**task, **done})
        for at, one in enumerate((made, seen)):
            observer.observe(one, number + at / 2, number + at / 2 + 0.1)
    tasks, result = observer.tasks.state.tasks, observer.result()
    assert 0 < len(tasks) < 400
    assert len(tasks) <= most_tasks
    held = sum(
        len(one.sent) + len(one.content)
        for task in tasks.values()
        for one in {task.first, task.last}
    )
    assert held <= most_bytes
    assert (result.findings, result.errors) == ([], [])
    (said,) = result.skipped()
    assert said.startswith(f"{400 - len(tasks)} tasks were forgotten")


@pytest.mark.parametrize("content", [b'{"usage": NaN}', b"<html>", b'["a"]'])
def test_what_cannot_be_read_is_one_failure(content) -> None:
    """A body that isn't a JSON object says nothing about the task that it should be about."""
    of_the_body = {"json", "schema"}
    for one in (submission(), poll("processing", 5)):
        broken = evolve(one, content=content)
        assert set(found(submission(), broken)) <= of_the_body
        assert found(submission(), broken)
