"""The receiver, as an ASGI app and as a function: invalid callbacks cause no query."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import TIME_LIMIT, wait_until
from tests.webhooks.conftest import FakeApi, FakeClock, callback_body, task_response
from wanflow import AsyncClient, Client
from wanflow.errors import ConfigurationError
from wanflow.webhooks import Receiver, TaskDone
from wanflow.webhooks.asgi import _ACCEPT_TIMEOUT, _BODY_TIMEOUT
from wanflow.webhooks.events import MAX_BODY_BYTES
from wanflow.webhooks.receiver import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "a secret of sixteen"
BASE = "https://hooks.example.org/callbacks"
JSON = {"content-type": "application/json"}
ID = "task-unified-1"


class ReceiverHarness:
    """A receiver with a fake API, called as an ASGI app or by `handle_request`."""

    def __init__(self, interface: str, **options: Any) -> None:
        self.interface = interface
        self.clock = FakeClock()
        self.api = FakeApi(self.clock)
        self.handled: list[TaskDone] = []
        transport = httpx.MockTransport(self.api)
        self.client = Client("key", "http://api.invalid", transport=transport)
        options.setdefault("client", self.client)
        options.setdefault("on_task_done", self.handled.append)
        options.setdefault("clock", Clock(wall=lambda: 1.75e9, monotonic=self.clock.monotonic))
        self.receiver = Receiver(SECRET, BASE, **options)
        self.url = self.receiver.url("job")

    def post(
        self, body: bytes, headers: dict[str, str] | None = None, url: str | None = None
    ) -> int:
        """Send a callback and return the status."""
        headers = JSON if headers is None else headers
        target = self.url if url is None else url
        if self.interface == "plain":
            token = target.rpartition("/")[2]
            return self.receiver.handle_request(token, headers.get("content-type"), body)
        return self.request("POST", target, content=body, headers=headers).status_code

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        """Send a request to the ASGI app."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.receiver.app)
            async with httpx.AsyncClient(transport=transport) as http:
                return await http.request(method, url, **more)

        return anyio.run(send)

    def wait_until_idle(self) -> None:
        """Wait until the queue is empty."""

        def is_idle() -> bool:
            self.clock.sleep(1)
            return not self.receiver._queue.pending

        wait_until(is_idle)

    def close(self) -> None:
        self.receiver.close()
        self.client.close()


@pytest.fixture(params=["asgi", "plain"])
def harness(request: pytest.FixtureRequest) -> Iterator[ReceiverHarness]:
    """Both interfaces."""
    made = ReceiverHarness(request.param)
    yield made
    made.close()


@pytest.fixture
def asgi() -> Iterator[ReceiverHarness]:
    """The ASGI app."""
    made = ReceiverHarness("asgi")
    yield made
    made.close()


class TestValidCallbacks:
    """A valid callback gets its response immediately, and its end is handled once."""

    def test_a_callback_is_accepted_and_then_confirmed(self, harness: ReceiverHarness) -> None:
        """The response is 202 with one query; a repetition is 200 without one."""
        harness.api.responses[ID] = [task_response(ID)]
        harness.receiver.link_task("job", ID)
        assert harness.post(callback_body()) == 202
        harness.wait_until_idle()
        assert [event.task_id for event in harness.handled] == [ID]
        assert {harness.post(callback_body()) for _ in range(50)} == {200}
        assert len(harness.api.queries) == len(harness.handled) == 1

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"'],
    )
    def test_json_in_every_spelling(self, harness: ReceiverHarness, content_type: str) -> None:
        """The content type is compared as HTTP defines it."""
        harness.receiver.link_task("job", ID)
        assert harness.post(callback_body(), {"content-type": content_type}) == 202

    def test_a_callback_before_link_task_is_503(self, harness: ReceiverHarness) -> None:
        """503 makes the sender retry; after `link_task` it is accepted."""
        assert harness.post(callback_body()) == 503
        harness.receiver.link_task("job", ID)
        assert harness.post(callback_body()) == 202

    def test_the_response_does_not_wait_for_the_api(self, harness: ReceiverHarness) -> None:
        """An API that hangs does not delay the response."""
        release = threading.Event()

        def slow(request: httpx.Request) -> httpx.Response:
            release.wait(TIME_LIMIT)
            return task_response(ID)

        transport = httpx.MockTransport(slow)
        with Client("key", "http://api.invalid", transport=transport) as client:
            slow_harness = ReceiverHarness(harness.interface, client=client)
            slow_harness.receiver.link_task("job", ID)
            assert slow_harness.post(callback_body()) == 202
            assert slow_harness.handled == []
            release.set()
            slow_harness.wait_until_idle()
            assert len(slow_harness.handled) == 1

    def test_a_url_is_valid_wherever_the_app_is_mounted(self, asgi: ReceiverHarness) -> None:
        """The token is the last path segment; the rest is ignored."""
        asgi.receiver.link_task("job", ID)
        token = asgi.url.rpartition("/")[2]
        assert asgi.post(callback_body(), url=f"http://inside:8000/a/b/c/{token}") == 202


HOSTILE_BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "no JSON": (b"id=task-unified-1", 400),
    "half JSON": (b'{"id": "task-unified-1"', 400),
    "not UTF-8": (b'{"id": "\xff\xfe"}', 422),
    "a list": (b"[1]", 400),
    "a number": (b"1e999", 400),
    "null": (b"null", 400),
    "no id": (b"{}", 422),
    "a null id": (b'{"id": null}', 422),
    "a number for an id": (b'{"id": 7}', 422),
    "a list for an id": (b'{"id": ["task-unified-1"]}', 422),
    "an empty id": (b'{"id": ""}', 422),
    "a path for an id": (b'{"id": "../../v1/account"}', 422),
    "an encoded path for an id": (b'{"id": "..%2f..%2faccount"}', 422),
    "a dotted id": (b'{"id": ".."}', 422),
    "a query in the id": (b'{"id": "task-unified-1?a=b"}', 422),
    "a fragment in the id": (b'{"id": "task-unified-1#x"}', 422),
    "a line break in the id": (b'{"id": "task-unified-1\\r\\nX: y"}', 422),
    "a line break at its end": (b'{"id": "task-unified-1\\n"}', 422),
    "a NUL in the id": (b'{"id": "task-unified-1\\u0000"}', 422),
    "a lone surrogate": (b'{"id": "\\ud800"}', 422),
    "full-width letters": (b'{"id": "\xef\xbd\x94ask-unified-1"}', 422),
    "an endless id": (b'{"id": "' + b"t" * 60_000 + b'"}', 422),
    "deep nesting": (b"[" * 30_000, 400),
    "deep objects": (b'{"a":' * 10_000, 400),
    "a huge number": (b'{"id": ' + b"9" * 50_000 + b"}", 400),
    "another's task": (callback_body("task-unified-2"), 403),
    "a byte too much": (callback_body().ljust(MAX_BODY_BYTES + 1), 413),
    "megabytes": (callback_body(results=["https://x/" + "a" * 3_000_000]), 413),
}
HOSTILE_TYPES = [
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
    *("application/xml", "application/jsonp", "application/json; charset=utf-16", "json", "*/*"),
    *("application/json, text/plain", "text/html; application/json", "application/json; x=y"),
]


class TestHostileInput:
    """An invalid callback causes no query."""

    @pytest.mark.parametrize("name", HOSTILE_BODIES)
    def test_bodies(self, harness: ReceiverHarness, name: str) -> None:
        """An invalid body causes no query, and the job's own callback is still accepted."""
        harness.receiver.link_task("job", ID)
        body, status = HOSTILE_BODIES[name]
        assert harness.post(body) == status
        assert harness.api.queries == []
        harness.api.responses[ID] = [task_response(ID)]
        assert harness.post(callback_body()) == 202
        harness.wait_until_idle()
        assert len(harness.handled) == 1

    @pytest.mark.parametrize("content_type", HOSTILE_TYPES)
    def test_types(self, harness: ReceiverHarness, content_type: str) -> None:
        """Another content type than JSON is 415."""
        harness.receiver.link_task("job", ID)
        assert harness.post(callback_body(), {"content-type": content_type}) == 415
        assert harness.api.queries == []

    @pytest.mark.parametrize(
        "path",
        ["", "callbacks", ".", "..", "a.b", "%00", "é", "a" * 5000, ".".join("a" * 50)],
    )
    def test_tokens(self, harness: ReceiverHarness, path: str) -> None:
        """A URL that the receiver didn't make is 404 for any body."""
        harness.receiver.link_task("job", ID)
        assert harness.post(callback_body(), url=f"{BASE}/{path}") == 404
        assert harness.post(b"\0" * 100_000, url=f"{BASE}/{path}") in {404, 413}
        assert harness.api.queries == []

    def test_an_expired_url(self, harness: ReceiverHarness) -> None:
        """An expired URL is 410, without a query."""
        old = ReceiverHarness(harness.interface, lifetime=-1)
        old.receiver.link_task("job", ID)
        assert old.post(callback_body()) == 410
        assert old.api.queries == []

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "X"])
    def test_methods(self, asgi: ReceiverHarness, method: str) -> None:
        """Any method but POST is 405 with an Allow header."""
        response = asgi.request(method, asgi.url, content=callback_body(), headers=JSON)
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "x"])
    def test_compressed_bodies(self, asgi: ReceiverHarness, encoding: str) -> None:
        """A compressed body is rejected, so none is decompressed."""
        headers = {**JSON, "content-encoding": encoding}
        assert asgi.post(callback_body(), headers) == 415

    @pytest.mark.parametrize("length", ["65537", "99999999999999999999", "-1", "1e3", "٣"])
    def test_announced_lengths(self, asgi: ReceiverHarness, length: str) -> None:
        """A content length that is too large or invalid is rejected before the body is read."""

        async def call() -> list[Any]:
            sent: list[Any] = []

            async def receive() -> Any:
                raise AssertionError("the body was read")

            async def send(message: Any) -> None:
                sent.append(message)

            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", length.encode()),
            ]
            scope = {"type": "http", "method": "POST", "path": asgi.url, "headers": headers}
            await asgi.receiver.app(scope, receive, send)
            return sent

        assert anyio.run(call)[0]["status"] == 413

    def test_an_endless_body_is_rejected_at_the_limit(self, asgi: ReceiverHarness) -> None:
        """Reading stops at the first part beyond the limit."""
        pieces = 0

        async def receive() -> Any:
            nonlocal pieces
            pieces += 1
            assert pieces < 100
            return {"type": "http.request", "body": b" " * 4096, "more_body": True}

        response = anyio.run(call_app, asgi, receive)
        assert response["status"] == 413
        assert pieces == MAX_BODY_BYTES // 4096 + 1
        assert (b"connection", b"close") in response["headers"]

    def test_a_disconnect_ends_the_request(self, asgi: ReceiverHarness) -> None:
        """A disconnect in the middle of the body ends the request."""

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        assert anyio.run(call_app, asgi, receive)["status"] == 400

    @pytest.mark.usefixtures("limits")
    def test_the_number_of_concurrent_bodies_is_limited(self, asgi: ReceiverHarness) -> None:
        """Of a hundred senders without a body, 64 are waited for; the others get 503."""

        async def send_all() -> list[int]:
            statuses: list[int] = []

            async def caller() -> None:
                statuses.append((await call_app(asgi, anyio.sleep_forever))["status"])

            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(caller)
            assert (await call_app(asgi, anyio.sleep_forever))["status"] == 408
            return statuses

        assert sorted(anyio.run(send_all)) == [408] * 64 + [503] * 36

    def test_a_websocket_is_closed(self, asgi: ReceiverHarness) -> None:
        """A websocket is rejected with code 1008."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        anyio.run(asgi.receiver.app, {"type": "websocket", "path": asgi.url}, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]

    @given(body=st.binary(max_size=300), content_type=st.text("abcjson/;= ", max_size=30))
    def test_any_bytes(self, body: bytes, content_type: str) -> None:
        """No bytes cause an error or a query."""
        harness = ReceiverHarness("plain")
        harness.receiver.link_task("job", ID)
        assert harness.post(body, {"content-type": content_type}) in {415, 400, 422, 403}
        assert harness.post(body) in {400, 422, 403}
        assert harness.api.queries == []

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "status", "a"]), inner, max_size=3)
            ),
            max_leaves=8,
        )
    )
    def test_any_json(self, value: Any) -> None:
        """No JSON about anything but the job's task causes a query."""
        harness = ReceiverHarness("plain")
        harness.receiver.link_task("job", ID)
        assert harness.post(json.dumps(value).encode()) in {400, 422, 403}
        assert harness.api.queries == []


async def call_app(harness: ReceiverHarness, receive: Callable[[], Any]) -> Any:
    """Call the ASGI app, and return the start of its response."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": harness.url,
        "headers": [(b"content-type", b"application/json")],
    }
    await harness.receiver.app(scope, receive, send)
    return sent[0]


class TestSlowStores:
    """The functions of the user that are called before the response are bounded."""

    @pytest.mark.parametrize("failing", ["is_job_of", "store"])
    def test_a_failing_store_is_503(self, harness: ReceiverHarness, failing: str) -> None:
        """The sender retries handle_async, and no query is made."""

        def fail(*_: str) -> bool:
            raise OSError("database is unavailable")

        class Broken:
            seen = add = remove = staticmethod(fail)

        options: dict[str, Any] = (
            {"is_job_of": fail}
            if failing == "is_job_of"
            else {"store": Broken(), "is_job_of": lambda *_: True}
        )
        broken = ReceiverHarness(harness.interface, **options)
        assert broken.post(callback_body()) == 503
        assert broken.api.queries == []

    @pytest.mark.usefixtures("limits")
    def test_a_hanging_lookup_is_503(self) -> None:
        """The response doesn't wait for a lookup that hangs."""
        release = threading.Event()
        harness = ReceiverHarness("asgi", is_job_of=lambda *_: release.wait(TIME_LIMIT))

        async def receive() -> Any:
            return {"type": "http.request", "body": callback_body()}

        async def called() -> Any:
            response = await call_app(harness, receive)
            assert not release.is_set()
            release.set()
            return response

        assert anyio.run(called)["status"] == 503

    def test_the_limits_let_an_app_respond_within_a_second(self) -> None:
        """A body that is received just in time, and a lookup that ends just in time."""
        assert _BODY_TIMEOUT + _ACCEPT_TIMEOUT < 1

    @pytest.mark.usefixtures("limits")
    def test_hanging_lookups_use_few_threads(self) -> None:
        """At most eight lookups hang; other threads are still available."""
        release = threading.Event()
        hanging: list[str] = []

        def is_job_of(job: str, task_id: str) -> bool | None:
            hanging.append(task_id)
            release.wait(TIME_LIMIT)
            return None

        harness = ReceiverHarness("asgi", is_job_of=is_job_of)
        statuses: list[int] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": callback_body()}

        async def caller() -> None:
            statuses.append((await call_app(harness, receive))["status"])

        async def run() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(caller)
            with anyio.fail_after(TIME_LIMIT):
                await anyio.to_thread.run_sync(release.is_set)
            release.set()

        anyio.run(run)
        assert statuses == [503] * 100
        assert len(hanging) == 8

    @pytest.mark.parametrize(("answer", "status"), [(True, 202), (False, 403), (None, 503)])
    def test_is_job_of_decides(
        self, harness: ReceiverHarness, answer: bool | None, status: int
    ) -> None:
        """True is 202, False is 403, and None is 503."""
        calls: list[tuple[str, str]] = []

        def is_job_of(job: str, task_id: str) -> bool | None:
            calls.append((job, task_id))
            return answer

        assert (
            ReceiverHarness(harness.interface, is_job_of=is_job_of).post(callback_body()) == status
        )
        assert calls == [("job", ID)]

    def test_an_async_client_needs_the_app(self) -> None:
        """`handle_request` has no event loop for an async client, and the error says so."""
        transport = httpx.MockTransport(lambda _: task_response(ID))
        client = AsyncClient("key", "http://api.invalid", transport=transport)
        receiver = Receiver(SECRET, BASE, client=client, on_task_done=print)
        with pytest.raises(ConfigurationError, match="app"):
            receiver.handle_request("token", "application/json", b"{}")


class TestAsyncClient:
    """With an AsyncClient the request of a callback also verifies it, after its response."""

    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_the_response_comes_before_the_query(self, asynchronous: bool) -> None:
        """The order is: response, query, handler; in one loop, without a task group."""
        events: list[str] = []

        def api(request: httpx.Request) -> httpx.Response:
            events.append("queried")
            return task_response(ID)

        async def handle_async(event: TaskDone) -> None:
            await anyio.lowlevel.checkpoint()
            events.append("handled")

        on_task_done: Callable[[TaskDone], object] = (
            handle_async if asynchronous else lambda _: events.append("handled")
        )

        async def run() -> None:
            transport = httpx.MockTransport(api)
            async with AsyncClient("key", "http://api.invalid", transport=transport) as client:
                receiver = Receiver(SECRET, BASE, client=client, on_task_done=on_task_done)
                receiver.link_task("job", ID)

                async def receive() -> Any:
                    return {"type": "http.request", "body": callback_body()}

                async def send(message: Any) -> None:
                    events.append(message.get("status", "sent"))

                scope = {
                    "type": "http",
                    "method": "POST",
                    "path": receiver.url("job"),
                    "headers": [(b"content-type", b"application/json")],
                }
                for _ in range(3):
                    await receiver.app(scope, receive, send)

        anyio.run(run)
        assert events == [202, "sent", "queried", "handled", 200, "sent", 200, "sent"]
