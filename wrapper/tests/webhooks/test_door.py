"""Laws of the doors: what isn't a callback is turned away cheaply, and asks nothing."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.conftest import Api, Time, body_of, seen
from wanflow import AsyncClient, Client
from wanflow.errors import ConfigurationError
from wanflow.webhooks import Receiver, TaskDone
from wanflow.webhooks.events import MAX_BODY_BYTES
from wanflow.webhooks.receiver import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "a secret of sixteen"
BASE = "https://hooks.example.org/callbacks"
JSON = {"content-type": "application/json"}
ID = "task-unified-1"


class House:
    """A receiver with a client on an API that counts, behind its ASGI door or the plain one."""

    def __init__(self, door: str, **options: Any) -> None:
        self.door = door
        self.time = Time()
        self.api = Api(self.time)
        self.ends: list[TaskDone] = []
        transport = httpx.MockTransport(self.api)
        self.client = Client("key", "http://api.invalid", transport=transport)
        options.setdefault("client", self.client)
        options.setdefault("on_task_done", self.ends.append)
        options.setdefault("clock", Clock(wall=lambda: 1.75e9, monotonic=self.time.ticks))
        self.receiver = Receiver(SECRET, BASE, **options)
        self.url = self.receiver.url("job")

    def post(
        self, body: bytes, headers: dict[str, str] | None = None, url: str | None = None
    ) -> int:
        """Send a callback and return the status."""
        headers = JSON if headers is None else headers
        target = self.url if url is None else url
        if self.door == "plain":
            token = target.rpartition("/")[2]
            return self.receiver.handle_request(token, headers.get("content-type"), body)
        return self.request("POST", target, content=body, headers=headers).status_code

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        """Send any request to the ASGI door."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.receiver.app)
            async with httpx.AsyncClient(transport=transport) as http:
                return await http.request(method, url, **more)

        return anyio.run(send)

    def settled(self) -> None:
        """Wait until nothing is to be asked any more."""
        until = time.monotonic() + 5
        while self.receiver._queue.pending and time.monotonic() < until:
            self.time.sleep(1)
            time.sleep(0.005)
        assert not self.receiver._queue.pending

    def close(self) -> None:
        self.receiver.close()
        self.client.close()


@pytest.fixture(params=["asgi", "plain"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """Each door."""
    made = House(request.param)
    yield made
    made.close()


@pytest.fixture
def asgi() -> Iterator[House]:
    """The ASGI door."""
    made = House("asgi")
    yield made
    made.close()


class TestGoodCallbacks:
    """A callback that is one is answered at once, and its end handled once."""

    def test_a_callback_is_accepted_and_then_confirmed(self, house: House) -> None:
        """202 and one question; a replay is 200 and none."""
        house.api.answers[ID] = [seen(ID)]
        house.receiver.link_task("job", ID)
        assert house.post(body_of()) == 202
        house.settled()
        assert [end.task_id for end in house.ends] == [ID]
        assert {house.post(body_of()) for _ in range(50)} == {200}
        assert len(house.api.asked) == len(house.ends) == 1

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "Application/JSON; charset=utf-8", 'application/json;charset="UTF-8"'],
    )
    def test_json_in_every_spelling(self, house: House, content_type: str) -> None:
        """The type is compared as HTTP has it."""
        house.receiver.link_task("job", ID)
        assert house.post(body_of(), {"content-type": content_type}) == 202

    def test_a_callback_that_comes_before_its_task_is_known_comes_again(self, house: House) -> None:
        """503 makes the sender try again; once `expect` was called it is taken."""
        assert house.post(body_of()) == 503
        house.receiver.link_task("job", ID)
        assert house.post(body_of()) == 202

    def test_it_is_answered_before_the_api_is(self, house: House) -> None:
        """An API that hangs holds nobody up."""
        gate = threading.Event()

        def slow(request: httpx.Request) -> httpx.Response:
            gate.wait(10)
            return seen(ID)

        transport = httpx.MockTransport(slow)
        with Client("key", "http://api.invalid", transport=transport) as client:
            held = House(house.door, client=client)
            held.receiver.link_task("job", ID)
            begun = time.monotonic()
            assert held.post(body_of()) == 202
            assert time.monotonic() - begun < 1
            assert held.ends == []
            gate.set()
            held.settled()
            assert len(held.ends) == 1

    def test_a_url_is_good_wherever_the_app_is_mounted(self, asgi: House) -> None:
        """The last segment is the token, whatever is before it."""
        asgi.receiver.link_task("job", ID)
        token = asgi.url.rpartition("/")[2]
        assert asgi.post(body_of(), url=f"http://inside:8000/a/b/c/{token}") == 202


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
    "another's task": (body_of("task-unified-2"), 403),
    "a byte too much": (body_of().ljust(MAX_BODY_BYTES + 1), 413),
    "megabytes": (body_of(results=["https://x/" + "a" * 3_000_000]), 413),
}
HOSTILE_TYPES = [
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
    *("application/xml", "application/jsonp", "application/json; charset=utf-16", "json", "*/*"),
    *("application/json, text/plain", "text/html; application/json", "application/json; x=y"),
]


class TestHostileInput:
    """Whatever isn't a callback costs a few microseconds, and reaches nobody."""

    @pytest.mark.parametrize("name", HOSTILE_BODIES)
    def test_bodies(self, house: House, name: str) -> None:
        """Refused by the body: nothing is asked, and the job's own callback is still taken."""
        house.receiver.link_task("job", ID)
        body, status = HOSTILE_BODIES[name]
        assert house.post(body) == status
        assert house.api.asked == []
        house.api.answers[ID] = [seen(ID)]
        assert house.post(body_of()) == 202
        house.settled()
        assert len(house.ends) == 1

    @pytest.mark.parametrize("content_type", HOSTILE_TYPES)
    def test_types(self, house: House, content_type: str) -> None:
        """Another content type than JSON is 415."""
        house.receiver.link_task("job", ID)
        assert house.post(body_of(), {"content-type": content_type}) == 415
        assert house.api.asked == []

    @pytest.mark.parametrize(
        "path",
        ["", "callbacks", ".", "..", "a.b", "%00", "é", "a" * 5000, ".".join("a" * 50)],
    )
    def test_tokens(self, house: House, path: str) -> None:
        """A URL that is none of ours is 404, whatever is sent to it."""
        house.receiver.link_task("job", ID)
        assert house.post(body_of(), url=f"{BASE}/{path}") == 404
        assert house.post(b"\0" * 100_000, url=f"{BASE}/{path}") in {404, 413}
        assert house.api.asked == []

    def test_a_url_that_has_expired(self, house: House) -> None:
        """410, and nothing else."""
        old = House(house.door, lifetime=-1)
        old.receiver.link_task("job", ID)
        assert old.post(body_of()) == 410
        assert old.api.asked == []

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "X"])
    def test_methods(self, asgi: House, method: str) -> None:
        """Anything but POST is 405, and is told so."""
        answer = asgi.request(method, asgi.url, content=body_of(), headers=JSON)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "x"])
    def test_compressed_bodies(self, asgi: House, encoding: str) -> None:
        """No bomb is unpacked."""
        headers = {**JSON, "content-encoding": encoding}
        assert asgi.post(body_of(), headers) == 415

    @pytest.mark.parametrize("length", ["65537", "99999999999999999999", "-1", "1e3", "٣"])
    def test_announced_lengths(self, asgi: House, length: str) -> None:
        """What announces too much, or nonsense, is refused before a byte is read."""

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

    def test_a_body_without_end_is_not_read_on(self, asgi: House) -> None:
        """64 KiB and a piece, and it is refused, whatever else would come."""
        pieces = 0

        async def receive() -> Any:
            nonlocal pieces
            pieces += 1
            assert pieces < 100
            return {"type": "http.request", "body": b" " * 4096, "more_body": True}

        answer = anyio.run(called, asgi, receive)
        assert answer["status"] == 413
        assert pieces == MAX_BODY_BYTES // 4096 + 1
        assert (b"connection", b"close") in answer["headers"]

    def test_a_caller_who_leaves_is_let_go(self, asgi: House) -> None:
        """A disconnect in the middle of the body ends it."""

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        assert anyio.run(called, asgi, receive)["status"] == 400

    def test_so_many_bodies_are_read_at_once(self, asgi: House) -> None:
        """Of a hundred callers who send nothing, 64 are waited for and the others told to come."""

        async def crowd() -> list[int]:
            statuses: list[int] = []

            async def caller() -> None:
                statuses.append((await called(asgi, anyio.sleep_forever))["status"])

            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(caller)
            assert (await called(asgi, anyio.sleep_forever))["status"] == 408
            return statuses

        assert sorted(anyio.run(crowd)) == [408] * 64 + [503] * 36

    def test_no_other_protocol(self, asgi: House) -> None:
        """A websocket is closed."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        anyio.run(asgi.receiver.app, {"type": "websocket", "path": asgi.url}, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]

    @given(body=st.binary(max_size=300), content_type=st.text("abcjson/;= ", max_size=30))
    def test_any_bytes(self, body: bytes, content_type: str) -> None:
        """No bytes at all make it fail, and none make it ask."""
        house = House("plain")
        house.receiver.link_task("job", ID)
        assert house.post(body, {"content-type": content_type}) in {415, 400, 422, 403}
        assert house.post(body) in {400, 422, 403}
        assert house.api.asked == []

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
        """No JSON that isn't about the job's task makes it ask."""
        house = House("plain")
        house.receiver.link_task("job", ID)
        assert house.post(json.dumps(value).encode()) in {400, 422, 403}
        assert house.api.asked == []


async def called(house: House, receive: Callable[[], Any]) -> Any:
    """Call the ASGI door, and return how its answer starts."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": house.url,
        "headers": [(b"content-type", b"application/json")],
    }
    await house.receiver.app(scope, receive, send)
    return sent[0]


class TestSlowOutside:
    """What it has to ask others before it answers is bounded, too."""

    @pytest.mark.parametrize("failing", ["is_job_of", "store"])
    def test_a_table_that_can_not_be_read_is_503(self, house: House, failing: str) -> None:
        """The callback comes again, and nothing is asked meanwhile."""

        def fail(*_: str) -> bool:
            raise OSError("database is away")

        class Broken:
            seen = add = remove = staticmethod(fail)

        options: dict[str, Any] = (
            {"is_job_of": fail}
            if failing == "is_job_of"
            else {"store": Broken(), "is_job_of": lambda *_: True}
        )
        broken = House(house.door, **options)
        assert broken.post(body_of()) == 503
        assert broken.api.asked == []

    def test_a_table_that_hangs_is_503_within_a_second(self) -> None:
        """The door doesn't wait for ever; the thread that hangs is its own."""
        gate = threading.Event()
        house = House("asgi", is_job_of=lambda *_: gate.wait(10))
        taken: list[float] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body_of()}

        async def timed() -> Any:
            begun = time.monotonic()
            answer = await called(house, receive)
            taken.append(time.monotonic() - begun)
            gate.set()
            return answer

        assert anyio.run(timed)["status"] == 503
        assert taken[0] < 1

    def test_tables_that_hang_take_few_threads(self) -> None:
        """Of a hundred look-ups eight may hang, and others can still work in threads."""
        gate = threading.Event()
        hanging: list[str] = []

        def is_job_of(job: str, task_id: str) -> bool | None:
            hanging.append(task_id)
            gate.wait(10)
            return None

        house = House("asgi", is_job_of=is_job_of)
        statuses: list[int] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body_of()}

        async def caller() -> None:
            statuses.append((await called(house, receive))["status"])

        async def run() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(caller)
            with anyio.fail_after(2):
                await anyio.to_thread.run_sync(gate.is_set)
            gate.set()

        anyio.run(run)
        assert statuses == [503] * 100
        assert len(hanging) == 8

    @pytest.mark.parametrize(("answer", "status"), [(True, 202), (False, 403), (None, 503)])
    def test_the_table_decides(self, house: House, answer: bool | None, status: int) -> None:
        """Yes, no, and not yet."""
        asked: list[tuple[str, str]] = []

        def is_job_of(job: str, task_id: str) -> bool | None:
            asked.append((job, task_id))
            return answer

        assert House(house.door, is_job_of=is_job_of).post(body_of()) == status
        assert asked == [("job", ID)]

    def test_an_async_client_needs_the_app(self) -> None:
        """`post` has no loop to ask in, and says so."""
        transport = httpx.MockTransport(lambda _: seen(ID))
        client = AsyncClient("key", "http://api.invalid", transport=transport)
        receiver = Receiver(SECRET, BASE, client=client, on_task_done=print)
        with pytest.raises(ConfigurationError, match="app"):
            receiver.handle_request("token", "application/json", b"{}")


class TestAsyncDoor:
    """With an AsyncClient the request that brought a claim asks about it, after its answer."""

    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_answer_first_then_ask(self, asynchronous: bool) -> None:
        """The order of events is: answered, asked, handled; in one loop, with no task group."""
        events: list[str] = []

        def api(request: httpx.Request) -> httpx.Response:
            events.append("asked")
            return seen(ID)

        async def later(end: TaskDone) -> None:
            await anyio.lowlevel.checkpoint()
            events.append("handled")

        on_end: Callable[[TaskDone], object] = (
            later if asynchronous else lambda _: events.append("handled")
        )

        async def run() -> None:
            transport = httpx.MockTransport(api)
            async with AsyncClient("key", "http://api.invalid", transport=transport) as client:
                receiver = Receiver(SECRET, BASE, client=client, on_task_done=on_end)
                receiver.link_task("job", ID)

                async def receive() -> Any:
                    return {"type": "http.request", "body": body_of()}

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
        assert events == [202, "sent", "asked", "handled", 200, "sent", 200, "sent"]
