"""No local variable in any frame of a traceback contains the key, as tools show all locals."""

from __future__ import annotations

import contextlib
import importlib.abc
import os
import signal
import threading
import types
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from tests.sockets import reserved_port
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
from tests.waiting import TIME_LIMIT
from wanflow import AsyncClient, Client, errors
from wanflow._config import ApiKey

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator

# httpx leaves generators to the garbage collector when a body is cut off; trio warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

SECRET = "sk-frames-0123456789abcdef"
DEPTH = 12
"""How many references are followed from a local variable."""
# Objects without values of their own, what imports modules (pytest's leads to every test), and the
# one type that may contain the key.
_OPAQUE = (
    ApiKey,
    type,
    types.ModuleType,
    importlib.abc.Loader,
    types.FunctionType,
    types.BuiltinFunctionType,
    int,
    float,
)


def paths_to_key(roots: Iterable[tuple[str, object]]) -> Iterator[str]:
    """Yield the paths from named values to the key, through containers and attributes.

    One breadth-first walk reaches each object once, by its shortest path.
    """
    reached: dict[int, object] = {}  # also keeps the objects, so that no id is used twice
    level = list(roots)
    for _ in range(DEPTH):
        following = []
        for path, value in level:
            if isinstance(value, _OPAQUE) or id(value) in reached:
                continue
            reached[id(value)] = value
            if isinstance(value, str | bytes | bytearray | memoryview):
                if has_key(value):
                    yield path
                continue
            following += [(f"{path}.{name}", part) for name, part in children(value)]
        level = following


def has_key(value: str | bytes | bytearray | memoryview) -> bool:
    """Return whether a text or its bytes contain the key."""
    return SECRET in value if isinstance(value, str) else SECRET.encode() in bytes(value)


def children(value: object) -> Iterator[tuple[object, object]]:
    """Yield the items and attributes of a value, with their names."""
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
    """Yield an exception with all its causes, contexts and members."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [other for other in (one.__cause__, one.__context__) if other is not None]
        left += getattr(one, "exceptions", ())


def key_appearances(error: BaseException) -> Iterator[str]:
    """Yield where the key is in an exception or in the frames of its traceback."""
    found = [(type(one).__name__, vars(one)) for one in chain(error)]
    variables = list(local_variables(error))
    yield from paths_to_key([*found, *variables])
    for one in chain(error):
        if SECRET in repr(one) + str(one):
            yield repr(one)
    for where, value in {id(value): (where, value) for where, value in variables}.values():
        with contextlib.suppress(AttributeError):  # a client whose construction failed
            if SECRET in repr(value):
                yield f"repr of {where}"


def local_variables(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield the variables of all frames of an exception, with the names of their functions."""
    for one in chain(error):
        trace = one.__traceback__
        while trace is not None:
            frame, trace = trace.tb_frame, trace.tb_next
            if "/tests/" in frame.f_code.co_filename:
                continue  # it has the server, which received the key
            for name, value in frame.f_locals.items():
                yield f"{frame.f_code.co_qualname}: {name}", value


def frames(error: BaseException) -> int:
    """Count the library's frames in the traceback of an exception."""
    count, trace = 0, error.__traceback__
    while trace is not None:
        count += "wanflow" in trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
    return count


def echo(connection: socket.socket) -> bool:
    """Send the key back, in a header and in a body that is cut off."""
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
    "HTML": lambda _: responds(http(200, b"<html>")),
    "an error": lambda _: responds(http(401, b"{}")),
    "an echo": lambda _: echo,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("does", ["submit", "refresh", "wait"])
def test_no_frame_of_an_error_holds_the_key(act: Any, does: str, runner: Any) -> None:
    """Neither the error's nor those of its causes and contexts, whatever the server does."""
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
        assert list(key_appearances(caught.value)) == []


def test_no_frame_of_a_refused_connection_holds_the_key(runner: Any) -> None:
    """The port is closed."""
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        client = runner.client(api_key=SECRET, base_url=url, retry_timeout=0)
        with pytest.raises(errors.ConnectionFailed) as caught:
            runner.do(client.submit, body())
    assert list(key_appearances(caught.value)) == []


INTERRUPTIBLE = {
    "before a response": b"",
    "within a header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "within a body": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
}


@pytest.mark.parametrize("said", INTERRUPTIBLE.values(), ids=INTERRUPTIBLE.keys())
@pytest.mark.parametrize("does", ["submit", "refresh", "wait"])
def test_no_frame_of_an_interrupt_holds_the_key(said: bytes, does: str, runner: Any) -> None:
    """Ctrl-C and cancellations are raised unchanged, with the earlier exception as context."""
    reached, interrupted = threading.Event(), threading.Event()

    def act(connection: socket.socket) -> bool:
        connection.sendall(said)
        reached.set()
        if runner.name == "sync":
            server.done.wait(0.1)  # so that the client usually has what was sent
            os.kill(os.getpid(), signal.SIGINT)
        else:
            assert interrupted.wait(TIME_LIMIT)
        server.done.wait(0.5)  # a submission goes on until the connection ends
        return False

    with MisbehavingServer(get=[act], post=[act]) as server:
        client = runner.client(
            api_key=SECRET, base_url=server.url, timeout=10 * TIME_LIMIT, retry_timeout=0
        )
        method = {
            "submit": lambda: client.submit(body()),
            "refresh": client.task(ID).refresh,
            "wait": client.task(ID).wait,
        }[does]
        before = LookupError("an earlier error of the program")
        catch = _caught if runner.name == "sync" else _cancelled
        caught = runner.do(catch, method, before, reached, interrupted)
    assert not isinstance(caught, Exception)
    assert reached.is_set()
    assert frames(caught) > 3
    assert list(key_appearances(caught)) == []
    if runner.name == "sync":  # an event loop raises cancellations without that context
        assert before in chain(caught)


def _caught(method: Callable[[], object], before: Exception, *_: object) -> BaseException:
    try:
        raise before
    except LookupError:
        try:
            method()
        except KeyboardInterrupt as error:
            return error
    raise AssertionError


async def _cancelled(
    method: Callable[[], Any],
    before: Exception,
    reached: threading.Event,
    interrupted: threading.Event,
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
        await anyio.sleep(0.1)  # so that the client usually has what was sent
        group.cancel_scope.cancel()
        interrupted.set()
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
def test_no_frame_of_a_failed_constructor_holds_the_key(wrong: dict[str, Any], kind: Any) -> None:
    """Not even the frame of the constructor, which receives the key, has it."""
    with pytest.raises(errors.ConfigurationError) as caught:
        kind(**{"api_key": SECRET, "base_url": "http://127.0.0.1:1", **wrong})
    assert list(key_appearances(caught.value)) == []


def test_paths_to_key_finds_keys() -> None:
    """A key in an attribute inside a container is found, and an ApiKey isn't searched."""

    class Slotted:
        __slots__ = ("inside",)

        def __init__(self) -> None:
            self.inside = [{"headers": (b"authorization", f"Bearer {SECRET}".encode())}]

    assert list(paths_to_key([("it", Slotted())])) == ["it.inside.0.headers.1"]
    assert list(paths_to_key([("it", {"key": ApiKey(SECRET)})])) == []
