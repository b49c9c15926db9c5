"""How an object is written: in one request, under its final name, once."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import obstore
import pytest
from obstore.store import MemoryStore

from tests.uploads.conftest import use_s3
from tests.uploads.storage_errors import silent_server
from tests.uploads.test_storage import PROVIDERS
from wanflow._core.effects import Response
from wanflow._paths import ObjectPath, output_path
from wanflow._storage import object_client, object_store, storage
from wanflow._storage.object_client import StorageError
from wanflow._storage.object_store import ObjectPart
from wanflow.errors import ConfigurationError, DownloadFailed, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.uploads.recording_server import RecordingServer

SMALL, LARGE = b"\x89PNG\r\n\x1a\n" + b"abc", b"\x89PNG\r\n\x1a\n" + b"abc" * 50_000
FOLDER = ObjectPath("s3://bucket/some/prefix")
LIMIT = 100_000_000


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A storage in memory, in place of that of every bucket."""
    made = MemoryStore()
    monkeypatch.setattr(object_store, "open_store", lambda *_: made)
    monkeypatch.setattr(object_store, "_stores", {})
    return made


def names_in(store: Any) -> list[str]:
    return sorted(one["path"] for page in obstore.list(store) for one in page)


made: list[ObjectPart] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close what a test has made, as a download does."""
    yield
    while made:
        made.pop().close()


def complete_part(
    content: bytes, names: tuple[str, ...] = (), stem: str = "a", folder: ObjectPath = FOLDER
) -> ObjectPart:
    """Return a part that has all of its bytes."""
    part = ObjectPart(folder, stem, LIMIT, names)
    made.append(part)
    part.url = "https://files.example/a"
    part.resume()
    assert part.start(Response(200, {"content-type": "image/png"}, b""))
    for start in range(0, len(content), 50_000):
        part.write(content[start : start + 50_000])
    return part


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_an_object_has_all_bytes_under_a_name_from_the_task(store: Any, content: bytes) -> None:
    """Its record has the size and the checksum, and the local file is closed."""
    part = complete_part(content)
    path = part.commit(".png")
    part.close()
    assert str(path) == "s3://bucket/some/prefix/a.png"
    assert names_in(store) == ["some/prefix/a.png"]
    assert bytes(obstore.get(store, "some/prefix/a.png").bytes()) == content
    info = part.file_info(2, path)
    assert (info.index, info.size) == (2, len(content))
    assert info.sha256 == hashlib.sha256(content).hexdigest()
    assert storage.file_sizes([path, FOLDER / "none.png"]) == {path: len(content)}


def test_bytes_of_an_abandoned_attempt_are_not_in_the_object(store: Any) -> None:
    """A download that starts over, with more on the disk than the new attempt has."""
    part = complete_part(LARGE)
    part.start_over()
    part.write(SMALL)
    assert bytes(obstore.get(store, part.commit(".png").key).bytes()) == SMALL


@pytest.mark.parametrize("end", ["suspend", "discard", "close"])
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_part_that_is_not_committed_is_nowhere(store: Any, content: bytes, end: str) -> None:
    """Neither in the storage nor on the disk."""
    part = complete_part(content)
    getattr(part, end)()
    assert names_in(store) == []
    assert part._file is None or part._file.closed


def test_a_file_that_is_too_large_is_refused(store: Any) -> None:
    """As on a disk."""
    part = ObjectPart(FOLDER, "a", 10)
    part.resume()
    part.start(Response(200, {}, b""))
    with pytest.raises(DownloadFailed, match="larger than the limit of 10 bytes"):
        part.write(b"x" * 11)


def test_a_full_temporary_directory_is_named(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't the storage that failed."""
    monkeypatch.setattr("tempfile.tempdir", "/no/such/directory")
    with pytest.raises(DownloadFailed, match="temporary directory /no/such/directory can't be w"):
        complete_part(LARGE)


def test_other_objects_are_replaced_only_under_the_last_name(store: Any) -> None:
    """Another task's file keeps its name; what has this task's own name is replaced."""
    names = ("same", "same~1")
    first = complete_part(SMALL, names).commit(".png")
    second = complete_part(LARGE, names).commit(".png")
    assert (first.name, second.name) == ("same.png", "same~1.png")
    assert complete_part(SMALL, names).commit(".png") == first
    assert complete_part(LARGE, names).commit(".png") == second
    assert complete_part(SMALL + b"x", names).commit(".png") == second
    assert len(names_in(store)) == 2


def puts(recording: RecordingServer) -> list[str]:
    return [one.path for one in recording.puts()]


@pytest.mark.parametrize("scheme", PROVIDERS)
def test_each_provider_gets_one_request_with_the_whole_object(
    scheme: str, recording: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a multipart upload; with the type, and with the checksum as metadata."""
    use_s3(monkeypatch, recording.url)
    for name, value in PROVIDERS[scheme](recording.url).items():
        monkeypatch.setenv(name, value)
    folder = output_path(f"{scheme}://bucket/some/prefix")
    assert isinstance(folder, ObjectPath)
    part = complete_part(LARGE, stem="ä b", folder=folder)
    assert str(part.commit(".png")) == f"{scheme}://bucket/some/prefix/ä b.png"
    (put,) = recording.puts()
    assert put.body == LARGE
    assert unquote(put.path.partition("?")[0]).endswith("/some/prefix/ä b.png")
    assert "uploads" not in put.path
    headers = put.headers.lower()
    assert "image/png" in headers
    assert f"meta-sha256: {hashlib.sha256(LARGE).hexdigest()}" in headers


@pytest.mark.parametrize("scheme", PROVIDERS)
def test_another_object_is_not_overwritten_by_a_race(
    scheme: str, recording: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request of a name that others may have asks the storage to refuse it if it is taken."""
    use_s3(monkeypatch, recording.url)
    for name, value in PROVIDERS[scheme](recording.url).items():
        monkeypatch.setenv(name, value)
    folder = output_path(f"{scheme}://bucket/p")
    assert isinstance(folder, ObjectPath)
    complete_part(SMALL, ("same", "same~1"), folder=folder).commit(".png")
    (put,) = recording.puts()
    headers = put.headers.lower()
    assert "if-none-match: *" in headers or "x-goog-if-generation-match: 0" in headers


def test_a_connection_that_breaks_is_tried_again(
    recording: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And in the end is an error; each request has all of the object or is no request."""
    use_s3(monkeypatch, recording.url)
    part = complete_part(SMALL)
    recording.broken = True
    with pytest.raises(StorageFailed, match=r"a\.png can't be stored: it can't be reached"):
        part.commit(".png")
    assert len(recording.requests) > 1
    recording.broken = False
    assert str(part.commit(".png")) == "s3://bucket/some/prefix/a.png"
    assert recording.requests[-1].body == SMALL


def test_the_check_before_a_submission_leaves_nothing(store: Any) -> None:
    """It stores an empty object and removes it."""
    assert storage.check_writable(FOLDER) == ()
    assert names_in(store) == []


def test_changed_credentials_are_used(
    recording: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the environment as it is, for a client that lives for days."""
    use_s3(monkeypatch, recording.url)
    complete_part(SMALL).commit(".png")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
    complete_part(SMALL).commit(".png")
    first, second = recording.puts()
    assert "AKIANEW" not in first.headers
    assert "AKIANEW" in second.headers


def test_an_interrupt_does_not_wait_for_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is still open when the interrupt is raised."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with silent_server() as (url, accepted):
            use_s3(monkeypatch, url)
            part = complete_part(SMALL)
            waiting = threading.Thread(
                target=lambda: (accepted.wait(), os.kill(os.getpid(), signal.SIGUSR1))
            )
            waiting.start()
            with pytest.raises(KeyboardInterrupt):
                part.commit(".png")
            waiting.join()
            names = [one.name for one in threading.enumerate()]
            assert "wanflow-storage" in names
    finally:
        signal.signal(signal.SIGUSR1, before)


FORKING = """
import os, sys
from wanflow._storage.object_client import StorageError, call
call(lambda: 1)
if os.fork() == 0:
    try:
        call(lambda: 1)
    except StorageError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.processes
def test_a_forked_process_gets_an_error_instead_of_hanging() -> None:
    """Obstore's threads aren't copied by a fork, so a request would wait for ever."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True
    )
    assert "fork earlier, or start processes by spawn" in done.stdout


def test_a_panic_of_the_library_is_an_error() -> None:
    """It is no Exception, and must not end a worker."""

    class PanicException(BaseException):
        pass

    def fail() -> None:
        raise PanicException("a panic at http://signed.example")

    with pytest.raises(StorageError) as failed:
        object_client.call(fail)
    assert "signed" not in str(failed.value)


def test_a_missing_library_is_named_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    monkeypatch.setattr(object_store, "_stores", {})
    with pytest.raises(ConfigurationError, match=r"s3:// needs obstore; run: pip install 'wanfl"):
        ObjectPart(FOLDER, "a", LIMIT).resume()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket//a///b/", "s3://bucket/a/b"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("az://container/ä", "az://container/ä"),
    ],
)
def test_a_url_is_a_path_that_stays_a_url(given: str, shown: str, tmp_path: Path) -> None:
    """Whatever it is joined with, copied or pickled; also when a user has made it a `Path`."""
    import copy
    import pickle
    from pathlib import Path

    for value in (given, Path(given)):
        path = output_path(value)
        assert isinstance(path, ObjectPath)
        assert (str(path), os.fspath(path), str(path.absolute())) == (shown, shown, shown)
        assert str((path / "a b").parent) == shown
        assert str((path / "a b").with_suffix(".png")) == f"{shown}/a b.png"
        assert copy.deepcopy(path) == pickle.loads(pickle.dumps(path)) == path
        assert type(pickle.loads(pickle.dumps(path))) is ObjectPath
        assert not path.exists()
    assert type(output_path(str(tmp_path))) is type(output_path("out")) is type(Path())


KILLED = """
import os, sys
from wanflow._core.effects import Response
from wanflow._paths import ObjectPath
from wanflow._storage.object_store import ObjectPart
part = ObjectPart(ObjectPath("s3://inputs/p"), "a", 10**9)
part.resume()
part.start(Response(200, {}, b""))
part.write(b"abcd" * 2_000_000)
part.commit(".bin")
"""


class HalfwayProxy(threading.Thread):
    """Passes connections on to a server, one at a time, until one has sent so many bytes."""

    def __init__(self, target: str, limit: int, then: Any) -> None:
        super().__init__(daemon=True)
        host, _, port = target.removeprefix("http://").partition(":")
        self._target, self._limit, self._then = (host, int(port)), limit, then
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        with self._listening:
            while not self._pass_one():
                pass

    def _pass_one(self) -> bool:
        with self._listening.accept()[0] as near, socket.create_connection(self._target) as far:
            threading.Thread(target=self._pass_back, args=(far, near), daemon=True).start()
            passed = 0
            while passed < self._limit and (chunk := near.recv(65_536)):
                far.sendall(chunk)
                passed += len(chunk)
            if passed >= self._limit:
                self._then()
        return passed >= self._limit

    @staticmethod
    def _pass_back(far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while chunk := far.recv(65_536):
                near.sendall(chunk)
            near.shutdown(socket.SHUT_WR)


@pytest.mark.processes
def test_a_killed_process_leaves_nothing_in_the_storage(
    s3: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of the request; the next process stores the whole object."""
    running: list[subprocess.Popen[bytes]] = []
    killed = threading.Event()

    def kill() -> None:
        running[0].kill()
        running[0].wait()
        killed.set()

    proxy = HalfwayProxy(s3_url, 4_000_000, kill)
    proxy.start()
    environment = {**os.environ, "AWS_ENDPOINT_URL": proxy.url}
    running.append(subprocess.Popen([sys.executable, "-c", KILLED], env=environment))
    killed.wait()
    proxy.join()
    assert running[0].returncode == -signal.SIGKILL
    assert s3.list_objects_v2(Bucket="inputs")["KeyCount"] == 0
    assert s3.list_multipart_uploads(Bucket="inputs").get("Uploads") is None
    subprocess.run([sys.executable, "-c", KILLED], check=True)
    assert s3.head_object(Bucket="inputs", Key="p/a.bin")["ContentLength"] == 8_000_000


BOUNDED = """
import os, resource, sys
from wanflow._core.effects import Response
from wanflow._paths import ObjectPath
from wanflow._storage.object_store import ObjectPart
part = ObjectPart(ObjectPath("s3://inputs/p"), "a", 10**9)
part.resume()
part.start(Response(200, {}, b""))
part.write(b"a" * 100_000)
ObjectPart.commit(part, ".bin")
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line[:6] == "VmData")
resource.setrlimit(resource.RLIMIT_DATA, ((used + 32 * 1024) * 1024,) * 2)
chunk = b"a" * 1_000_000
for _ in range(96):
    part.write(chunk)
print(part.commit(".bin"), part.size)
"""


@pytest.mark.slow(reason="it writes 96 MB, and sends them")
def test_a_large_file_takes_no_memory(
    recording: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """96 MB are stored by a process that may use 32 MB more than it has."""
    use_s3(monkeypatch, recording.url)
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "s3://inputs/p/a.bin 96100000", done.stderr
