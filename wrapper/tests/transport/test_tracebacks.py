"""Laws of tracebacks: tools show the locals of every frame, and none of them holds the key."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import types
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from tests.transport.misbehaving_server import (
    ID,
    OK,
    MisbehavingServer,
    drips,
    hangs,
    http,
    resets,
    responds,
)
from tests.transport.test_guarantees import body
from wanflow import AsyncClient, Client, errors
from wanflow._config import ApiKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# httpx leaves its generators to the collector when a body breaks off; trio says so.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

SECRET = "sk-frames-0123456789abcdef"
DEPTH = 12
"""So many steps from a local variable are gone."""
# What holds no values of its own, or is the one place where the key may be.
_OPAQUE = (
    ApiKey,
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    int,
    float,
)


def held(value: object, seen: set[int], depth: int = DEPTH, path: str = "") -> Iterator[str]:
    """The paths by which a value leads to the key, through containers and attributes."""
    if isinstance(value, str | bytes | bytearray | memoryview):
        text = value if isinstance(value, str) else bytes(value).decode("latin-1")
        if SECRET in text:
            yield path
        return
    if isinstance(value, _OPAQUE) or depth == 0 or id(value) in seen:
        return
    seen.add(id(value))
    for name, part in parts(value):
        yield from held(part, seen, depth - 1, f"{path}.{name}")


def parts(value: object) -> Iterator[tuple[object, object]]:
    """What a value is made of."""
    if isinstance(value, dict):
        yield from value.items()
        yield from ((f"key {key!r}", key) for key in value)
    elif isinstance(value, list | tuple | set | frozenset):
        yield from enumerate(value)
    elif isinstance(value, types.MethodType):
        yield "self", value.__self__
    yield from vars(value).items() if hasattr(value, "__dict__") else ()
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield name, getattr(value, name)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that hangs on to it."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [other for other in (one.__cause__, one.__context__) if other is not None]
        left += getattr(one, "exceptions", ())


def shown(error: BaseException) -> Iterator[str]:
    """Where the key is seen in the frames that an exception came through, or in itself."""
    for one in chain(error):
        yield from held(vars(one), set(), path=type(one).__name__)
        if SECRET in repr(one) + str(one):
            yield repr(one)
        trace = one.__traceback__
        while trace is not None:
            frame, trace = trace.tb_frame, trace.tb_next
            if "/tests/" in frame.f_code.co_filename:
                continue  # it has the server, which was sent the key
            for name, value in frame.f_locals.items():
                where = f"{frame.f_code.co_qualname}: {name}"
                yield from held(value, set(), path=where)
                with contextlib.suppress(AttributeError):  # a client that was only half made
                    if SECRET in repr(value):
                        yield f"repr of {where}"


def frames(error: BaseException) -> int:
    """How many frames of the library an exception came through."""
    count, trace = 0, error.__traceback__
    while trace is not None:
        count += "wanflow" in trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
    return count


def echo(connection: socket.socket) -> bool:
    """Say back what no server should: the key, in a header and in a body that breaks off."""
    said = f"Bearer {SECRET}"
    connection.sendall(http(200, said.encode(), f"X-Echo: {said}", length=500))
    return False


ACTS: dict[str, Callable[[MisbehavingServer], Any]] = {
    "reset": lambda _: resets(),
    "no HTTP": lambda _: responds(b"SSH-2.0-OpenSSH_9.2\r\n", keep=False),
    "half a body": lambda _: responds(http(200, b'{"id"', length=5000), keep=False),
    "too slow": lambda server: drips(OK, server.done),
    "silence": lambda server: hangs(server.done),
    "too large": lambda _: responds(http(200, b"x" * 17_000_000)),
    "nonsense": lambda _: responds(http(200, b"<html>")),
    "an error": lambda _: responds(http(401, b"{}")),
    "an echo": lambda _: echo,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("does", ["submit", "refresh", "wait"])
def test_no_frame_of_an_error_holds_the_key(act: Any, does: str, runner: Any) -> None:
    """Whatever a server does: not the error's, nor those of its causes and contexts."""
    with MisbehavingServer() as server:
        for acts in server._acts.values():
            acts.append(act(server))
        client = runner.client(api_key=SECRET, base_url=server.url, timeout=0.6, retry_timeout=0)
        task = client.task(ID)
        methods: dict[str, tuple[Any, ...]] = {
            "submit": (client.submit, body()),
            "refresh": (task.refresh,),
            "wait": (task.wait, 0),
        }
        with pytest.raises(errors.WanflowError) as caught:
            runner.do(*methods[does])
        assert frames(caught.value) > 3
        assert list(shown(caught.value)) == []


def test_no_frame_of_a_refused_connection_holds_the_key(runner: Any) -> None:
    """Nor where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = runner.client(api_key=SECRET, base_url=f"http://127.0.0.1:{port}", retry_timeout=0)
    with pytest.raises(errors.ConnectionFailed) as caught:
        runner.do(client.submit, body())
    assert list(shown(caught.value)) == []


INTERRUPTIBLE = {
    "before a response": b"",
    "within a header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "within a body": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
}


@pytest.mark.parametrize("said", INTERRUPTIBLE.values(), ids=INTERRUPTIBLE.keys())
@pytest.mark.parametrize("does", ["submit", "refresh", "wait"])
def test_no_frame_of_an_interrupt_holds_the_key(said: bytes, does: str, runner: Any) -> None:
    """Ctrl-C and cancellations pass, and what was being handled before them stays known."""
    reached = threading.Event()

    def act(connection: socket.socket) -> bool:
        connection.sendall(said)
        reached.set()
        server.done.wait(0.1)
        if runner.name == "sync":
            os.kill(os.getpid(), signal.SIGINT)
        server.done.wait(1)
        return False

    with MisbehavingServer(get=[act], post=[act]) as server:
        client = runner.client(api_key=SECRET, base_url=server.url, timeout=20, retry_timeout=0)
        method = {
            "submit": lambda: client.submit(body()),
            "refresh": client.task(ID).refresh,
            "wait": client.task(ID).wait,
        }[does]
        before = LookupError("what the program was at")
        catch = _caught if runner.name == "sync" else _cancelled
        caught = runner.do(catch, method, before, reached)
    assert not isinstance(caught, Exception)
    assert reached.is_set()
    assert frames(caught) > 3
    assert list(shown(caught)) == []
    if runner.name == "sync":  # event loops throw cancellations in from elsewhere
        assert before in chain(caught)


def _caught(method: Callable[[], object], before: Exception, _: threading.Event) -> BaseException:
    try:
        raise before
    except LookupError:
        try:
            method()
        except KeyboardInterrupt as error:
            return error
    raise AssertionError


async def _cancelled(
    method: Callable[[], Any], before: Exception, reached: threading.Event
) -> BaseException:
    caught: list[BaseException] = []

    async def do() -> None:
        try:
            raise before
        except LookupError:
            try:
                await method()
            except BaseException as error:
                caught.append(error)
                raise

    async with anyio.create_task_group() as group:
        group.start_soon(do)
        await anyio.to_thread.run_sync(reached.wait)
        await anyio.sleep(0.1)
        group.cancel_scope.cancel()
    return caught[0]


WRONG: dict[str, dict[str, Any]] = {
    "a key with a line end": {"api_key": SECRET + "\n"},
    "a key of bytes": {"api_key": SECRET.encode()},
    "a URL": {"base_url": "api.example"},
    "a number": {"timeout": -1},
    "a proxy": {"proxy": "http://host:port"},
    "a ledger": {"ledger": "jobs.db"},
}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_no_frame_of_a_client_that_was_not_made_holds_the_key(
    wrong: dict[str, Any], kind: Any
) -> None:
    """Not even of the one that was given it."""
    with pytest.raises(errors.ConfigurationError) as caught:
        kind(**{"api_key": SECRET, "base_url": "http://127.0.0.1:1", **wrong})
    assert list(shown(caught.value)) == []


def test_the_walk_finds_what_it_looks_for() -> None:
    """A key in a local, in an object's attribute, in a container or in a repr is seen."""

    class Slotted:
        __slots__ = ("inside",)

        def __init__(self) -> None:
            self.inside = [{"headers": (b"authorization", f"Bearer {SECRET}".encode())}]

    assert list(held(Slotted(), set())) == [".inside.0.headers.1"]
    assert list(held({"key": ApiKey(SECRET)}, set())) == []
