"""Only drivers do disk I/O, and downloads never block the event loop with it."""

from __future__ import annotations

import ast
import io
import sqlite3
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import wanflow
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from wanflow import AsyncClient, DownloadFailed
from wanflow._flows.request_builder import build_status
from wanflow.catalog.validator import packaged_validator
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from wanflow._core.download_rules import DownloadProgress

LIBRARY = Path(wanflow.__file__).parent
DECIDING = sorted([*LIBRARY.glob("_core/*.py"), *LIBRARY.glob("_flows/*.py")])

# Names of functions and methods of the file system. The methods `replace` and `open` are left out:
# strings and pools have them, too.
DISK = {
    *("read_bytes", "read_text", "write_bytes", "write_text", "exists", "is_file", "is_dir"),
    *("is_symlink", "stat", "lstat", "unlink", "mkdir", "rmdir", "touch", "rename", "resolve"),
    *("iterdir", "glob", "rglob", "samefile", "chmod", "symlink_to", "hardlink_to", "expanduser"),
    *("fsync", "lexists", "truncate", "mkstemp", "listdir", "scandir", "walk", "makedirs"),
}
MODULES = {"fcntl", "io", "mmap", "os", "shutil", "sqlite3", "stat", "tempfile", "glob"}


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and called.attr in DISK:
                yield f"{path.name}:{node.lineno} .{called.attr}()"
            elif isinstance(called, ast.Name) and called.id == "open":
                yield f"{path.name}:{node.lineno} open()"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A type alone does no I/O.
            does_io = [name.name for name in node.names] != ["PathLike"]
            yield node.module.partition(".")[0] if does_io else ""


def test_core_and_flows_do_no_disk_io() -> None:
    """Neither opens, reads or checks a file."""
    assert len(DECIDING) > 30
    assert [call for path in DECIDING for call in calls(path)] == []
    found = {path.name: MODULES & set(imports(path)) for path in DECIDING}
    assert {name: modules for name, modules in found.items() if modules} == {}


_FILE_TYPES = (io.FileIO, io.BufferedRandom, io.BufferedWriter, sqlite3.Connection, sqlite3.Cursor)


class DiskProfiler:
    """Records each file system call of the library in the profiled thread."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._harmless = {"getpid", "fspath", "urandom", "cpu_count", "register_at_fork"}

    def __call__(self, frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and self._is_disk_io(called) and _ours(frame):
            self.calls.append(f"{called.__qualname__} in {_where(frame)}")

    def _is_disk_io(self, called: Any) -> bool:
        if getattr(called, "__module__", None) in {"posix", "nt"}:
            return called.__name__ not in self._harmless
        owner = getattr(called, "__self__", None)
        return called is open or isinstance(owner, _FILE_TYPES)


def _ours(frame: Any) -> bool:
    names = _names(frame)
    return any(name.startswith(str(LIBRARY)) for name in names) and not any(
        "importlib" in name for name in names
    )


def _where(frame: Any) -> str:
    return next(name for name in _names(frame) if name.startswith(str(LIBRARY)))


def _names(frame: Any) -> list[str]:
    found = []
    while frame is not None:
        found.append(frame.f_code.co_filename)
        frame = frame.f_back
    return found


@contextmanager
def disk_profiler() -> Iterator[DiskProfiler]:
    """Profile this thread."""
    profiler, before = DiskProfiler(), sys.getprofile()
    sys.setprofile(profiler)
    try:
        yield profiler
    finally:
        sys.setprofile(before)


@pytest.fixture(scope="module", autouse=True)
def _spec() -> None:
    """Read the spec once, before the event loop is profiled."""
    assert build_status(packaged_validator().catalog, ID)


def test_the_profiler_notices_disk_io(tmp_path: Path) -> None:
    """Without this, the tests below could not fail."""
    from wanflow._storage.part_file import check_writable

    with disk_profiler() as profiler:
        check_writable(tmp_path)
    assert any("fsync" in call for call in profiler.calls)


SMALL, LARGE = b"abc" * 99, bytes(range(256)) * 4000
TAG = 'ETag: "1"'


def whole(content: bytes) -> Any:
    return responds(http(200, content, "Content-Type: video/mp4", TAG))


def half(content: bytes) -> Any:
    sent = http(200, content, "Content-Type: video/mp4", TAG)
    return responds(sent[: -len(content) // 2], keep=False)


def rest(content: bytes, start: int) -> Any:
    where = f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}"
    return responds(http(206, content[start:], "Content-Type: video/mp4", TAG, where))


DOWNLOADS: dict[str, list[Any]] = {
    "a small file": [whole(SMALL)],
    "a large file": [whole(LARGE)],
    "an interrupted one": [half(LARGE), whole(LARGE)],
    "one that is always interrupted": [half(LARGE)],
    "a page": [responds(http(200, b"<html>", "Content-Type: text/html"))],
    "an expired link": [responds(http(410, b""))],
    "a busy server": [responds(http(503, b"", "Retry-After: 0")), whole(SMALL)],
    "one that is too large": [whole(LARGE * 3)],
    "an encoded one": [
        responds(http(200, SMALL, "Content-Type: video/mp4", "Content-Encoding: gzip, none"))
    ],
}


def run(do: Callable[[], Awaitable[object]], backend: str) -> list[str]:
    """Run a coroutine, and return the disk I/O in its event loop."""

    async def main() -> list[str]:
        with disk_profiler() as profiler:
            await do()
        return profiler.calls

    return anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("case", DOWNLOADS)
@pytest.mark.parametrize("partial", [False, True], ids=["new", "resumed"])
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
def test_a_download_does_no_disk_io_in_the_event_loop(
    case: str, backend: str, partial: bool, tmp_path: Path
) -> None:
    """However it ends, it doesn't block other tasks of the loop."""
    if partial:
        (tmp_path / f".{ID}.part").write_bytes(LARGE[:70_000])
        (tmp_path / f".{ID}.part.json").write_text('{"validator": "\\"1\\""}')

    with MisbehavingServer(get=DOWNLOADS[case]) as files:
        found = [task("completed", results=[files.url + "/a"])]
        with MisbehavingServer(get=found) as server, Ledger(tmp_path / "l.db") as ledger:
            # The constructor reads the environment, with its file of certificates.
            client = AsyncClient("key", server.url, timeout=2, ledger=ledger)

            async def do() -> None:
                async with client:
                    result = await client.task(ID).wait()
                    with suppress(DownloadFailed):
                        await result.download(tmp_path, timeout=1.5, max_bytes=len(LARGE) * 2)

            assert run(do, backend) == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
def test_a_cancelled_download_keeps_its_part_without_blocking_the_loop(
    backend: str, tmp_path: Path
) -> None:
    """The part can be resumed later."""
    stopped = threading.Event()

    def act(connection: Any) -> bool:
        head = http(200, LARGE, "Content-Type: video/mp4", TAG)[: -len(LARGE)]
        connection.sendall(head + LARGE[: len(LARGE) // 2])
        stopped.wait(60)
        return False

    with ExitStack() as stack:
        files = stack.enter_context(MisbehavingServer(get=[act]))
        found = [task("completed", results=[files.url + "/a"])]
        server = stack.enter_context(MisbehavingServer(get=found))
        client = AsyncClient("key", server.url)

        async def do() -> None:
            async with client:
                result = await client.task(ID).wait()
                with anyio.CancelScope() as scope:

                    def cancel(progress: DownloadProgress) -> None:
                        if progress.have == len(LARGE) // 2:
                            scope.cancel()

                    await result.download(tmp_path, on_progress=cancel)

        assert run(do, backend) == []
        stopped.set()
    assert sorted(one.name for one in tmp_path.iterdir()) == [f".{ID}.part", f".{ID}.part.json"]
    assert (tmp_path / f".{ID}.part").read_bytes() == LARGE[: len(LARGE) // 2]
