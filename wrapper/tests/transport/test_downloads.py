"""Laws of a download: whole or not there, gone on with, bounded, and kept in its folder."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.fast_clock import with_fast_clock
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.transport.test_guarantees import KEY
from wanflow import DownloadFailed, LinkExpired
from wanflow._core.download_rules import Redirect, Rejected, classify
from wanflow._core.effects import Response
from wanflow._core.file_names import file_stem
from wanflow._core.url_rules import url_problem

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

# httpx leaves generators to the garbage collector when a body is left unread; trio warns.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

CONTENT = bytes(range(256)) * 40
ETAG = '"one"'


def file(content: bytes = CONTENT, *headers: str, etag: str | None = ETAG) -> bytes:
    """Return a response with the whole file."""
    tag = [f"ETag: {etag}"] if etag else []
    return http(200, content, "Content-Type: video/mp4", *tag, *headers)


def half(etag: str | None = ETAG) -> Any:
    """Send a part of the file, then close the connection."""
    return responds(file(etag=etag)[:-5000], keep=False)


def rest(start: int, content: bytes = CONTENT, etag: str = ETAG) -> Any:
    """Send the file from a given byte."""
    where = f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}"
    return responds(http(206, content[start:], "Content-Type: video/mp4", f"ETag: {etag}", where))


class RangeResponder:
    """Sends the file or the requested range of it."""

    def __init__(
        self, server: MisbehavingServer, content: bytes = CONTENT, etag: str = ETAG
    ) -> None:
        self._server, self._content, self._etag = server, content, etag

    def __call__(self, connection: socket.socket) -> bool:
        headers = self._server.headers(-1)
        start = int(headers["range"][6:-1]) if "range" in headers else 0
        if start and headers["if-range"] == self._etag:
            return rest(start, self._content, self._etag)(connection)
        return responds(file(self._content, etag=self._etag))(connection)


def result_of(runner: Any, *urls: str, created: float | None = None) -> Any:
    """Return the result of a completed task with these links."""
    more = {} if created is None else {"created": int(created)}
    with MisbehavingServer(get=[task("completed", results=list(urls), **more)]) as server:
        client = with_fast_clock(runner.client(api_key=KEY, base_url=server.url))
        return runner.do(client.task(ID).wait, 10)


def saved(folder: Path) -> list[str]:
    """Return the names in a directory."""
    return sorted(path.name for path in folder.iterdir())


def test_an_interrupted_download_continues_where_it_stopped(runner: Any, tmp_path: Path) -> None:
    """The next attempt requests the rest of the same file, and the file is complete."""
    with MisbehavingServer(get=[half()]) as files:
        files._acts["GET"].append(RangeResponder(files))
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.headers(1)["range"] == f"bytes={len(CONTENT) - 5000}-"
        assert files.headers(1)["if-range"] == ETAG
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert saved(tmp_path) == [f"{ID}.mp4"]


def test_a_later_run_continues_an_earlier_download(runner: Any, tmp_path: Path) -> None:
    """The part file and its ETag remain after the process has ended."""
    with MisbehavingServer(get=[half()]) as files:
        with pytest.raises(DownloadFailed):
            runner.do(result_of(runner, files.url + "/a").download, tmp_path, timeout=120)
        left = saved(tmp_path)
        assert left == [f".{ID}.part", f".{ID}.part.json"]
    with MisbehavingServer() as files:
        files._acts["GET"].append(RangeResponder(files))
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.headers(0)["range"].startswith("bytes=")
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert saved(tmp_path) == [f"{ID}.mp4"]


def test_two_different_files_are_never_joined(runner: Any, tmp_path: Path) -> None:
    """If the file has changed, or has no strong ETag, the download starts again."""
    other = CONTENT[::-1]
    for first, second in (
        (half(), responds(file(other, etag='"two"'))),
        (half(), rest(len(CONTENT) - 5000, other, '"two"')),
        (half(etag=None), responds(file(other, etag=None))),
        (half(etag='W/"one"'), responds(file(other, etag='W/"one"'))),
    ):
        with MisbehavingServer(get=[first, second, responds(file(other, etag='"two"'))]) as files:
            paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert [path.read_bytes() for path in paths] == [other]


def test_a_part_that_is_longer_than_the_file_is_discarded(runner: Any, tmp_path: Path) -> None:
    """After a 416 the download starts again."""
    (tmp_path / f".{ID}.part").write_bytes(b"x" * 99)
    (tmp_path / f".{ID}.part.json").write_text('{"validator": "\\"one\\""}')
    with MisbehavingServer(get=[responds(http(416, b"")), responds(file())]) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
    assert [path.read_bytes() for path in paths] == [CONTENT]


@pytest.mark.parametrize(
    "notes", ["", "[]", '{"validator": 7}', "{" * 9999, '{"validator":"a\\nb"}']
)
def test_a_part_with_unreadable_metadata_is_discarded(
    notes: str, runner: Any, tmp_path: Path
) -> None:
    """Without a valid ETag nobody knows which file the part belongs to."""
    (tmp_path / f".{ID}.part").write_bytes(b"x" * 99)
    (tmp_path / f".{ID}.part.json").write_text(notes)
    with MisbehavingServer(get=[responds(file())]) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert "range" not in files.headers(0)
    assert [path.read_bytes() for path in paths] == [CONTENT]


def test_a_file_of_the_wrong_length_is_not_saved(runner: Any, tmp_path: Path) -> None:
    """A body that is shorter than its Content-Length is an error."""
    short = responds(http(200, b"abc", length=10), keep=False)
    with MisbehavingServer(get=[short]) as files, pytest.raises(DownloadFailed) as caught:
        runner.do(result_of(runner, files.url + "/a").download, tmp_path, timeout=60)
    assert caught.value.task_id == ID
    assert saved(tmp_path) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_over_the_limit_is_not_saved(announced: bool, runner: Any, tmp_path: Path) -> None:
    """With or without a Content-Length, the download ends at the limit, and nothing is left."""
    raw = file() if announced else b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT
    with MisbehavingServer(get=[responds(raw, keep=False)]) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="limit of 1000 bytes"):
            runner.do(result.download, tmp_path, max_bytes=1000)
    assert saved(tmp_path) == []


def test_several_files_are_downloaded_concurrently(runner: Any, tmp_path: Path) -> None:
    """The paths have the order of the links, and progress is reported for each file."""
    reported: list[Any] = []
    together = threading.Barrier(4)
    contents = [bytes([index]) * 99 for index in range(4)]

    def sends(content: bytes) -> Callable[[socket.socket], bool]:
        def act(connection: socket.socket) -> bool:
            together.wait(60)
            return responds(file(content, etag=None))(connection)

        return act

    with ExitStack() as stack:
        hosts = [
            stack.enter_context(MisbehavingServer(get=[sends(content)])) for content in contents
        ]
        result = result_of(runner, *(host.url + "/x" for host in hosts))
        paths = runner.do(result.download, tmp_path, on_progress=reported.append)
    assert [path.name for path in paths] == [f"{ID}-{n}.mp4" for n in (1, 2, 3, 4)]
    assert [path.read_bytes() for path in paths] == contents
    assert {(one.index, one.count) for one in reported} == {(index, 4) for index in range(4)}
    assert all(one.have <= one.total for one in reported)


def test_saved_files_are_kept_when_another_one_fails(runner: Any, tmp_path: Path) -> None:
    """The error names the saved files."""
    with (
        MisbehavingServer(get=[responds(file())]) as files,
        MisbehavingServer(get=[responds(http(404, b""))]) as missing,
    ):
        result = result_of(runner, files.url + "/a", missing.url + "/b")
        with pytest.raises(DownloadFailed) as caught:
            runner.do(result.download, tmp_path)
    assert [path.name for path in caught.value.saved] == [f"{ID}-1.mp4"]
    assert saved(tmp_path) == [f"{ID}-1.mp4"]


@pytest.mark.parametrize("status", [403, 404])
def test_a_link_older_than_a_day_has_expired(status: int, runner: Any, tmp_path: Path) -> None:
    """The same response within the first day is another error."""
    with MisbehavingServer(get=[responds(http(status, b""))]) as files:
        old = result_of(runner, files.url + "/a", created=time.time() - 90_000)
        with pytest.raises(LinkExpired):
            runner.do(old.download, tmp_path)
        young = result_of(runner, files.url + "/a", created=time.time())
        with pytest.raises(DownloadFailed) as caught:
            runner.do(young.download, tmp_path)
    assert not isinstance(caught.value, LinkExpired)
    assert caught.value.status == status


@pytest.mark.parametrize("body", [b"", b"<html>not here</html>"], ids=["404", "page"])
def test_a_link_expires_by_the_clock_of_its_server(
    body: bytes, runner: Any, tmp_path: Path
) -> None:
    """The clock of this machine may be wrong by days; the server says its own time."""
    for age, expired in ((3_600, False), (90_000, True)):
        created = time.time() - (93_600 - age)
        date = f"Date: {formatdate(created + age, usegmt=True)}"
        answer = http(200 if body else 404, body, date, "Content-Type: text/html")
        with MisbehavingServer(get=[responds(answer)]) as files:
            result = result_of(runner, files.url + "/a", created=created)
            with pytest.raises(DownloadFailed) as caught:
                runner.do(result.download, tmp_path)
        assert isinstance(caught.value, LinkExpired) == expired


def test_a_link_with_a_410_has_expired(runner: Any, tmp_path: Path) -> None:
    """410 is certain, whatever the clocks show: the server's may be simulated."""
    with MisbehavingServer(get=[responds(http(410, b""))]) as files:
        young = result_of(runner, files.url + "/a", created=time.time())
        with pytest.raises(LinkExpired) as caught:
            runner.do(young.download, tmp_path)
    assert caught.value.status == 410


@pytest.mark.parametrize(
    "link",
    ["gs://bucket/key", "file:///etc/passwd", "data:,x", "ftp://a/b", "//a/b", "x", "http://"],
)
def test_only_http_links_are_fetched(link: str, runner: Any, tmp_path: Path) -> None:
    """Another scheme is an error, and nothing is written."""
    with pytest.raises(DownloadFailed, match="can't be fetched"):
        runner.do(result_of(runner, link).download, tmp_path)
    assert saved(tmp_path) == []


def test_a_symlink_is_not_followed(runner: Any, tmp_path: Path) -> None:
    """A user who can write to the directory can't redirect the bytes to another file."""
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".{ID}.part").symlink_to(tmp_path / "target")
    with MisbehavingServer(get=[responds(file())]) as files, pytest.raises(DownloadFailed):
        runner.do(result_of(runner, files.url + "/a").download, tmp_path / "out")
    assert (tmp_path / "target").read_bytes() == b"precious"


def test_a_directory_that_cannot_be_created_is_an_error(runner: Any, tmp_path: Path) -> None:
    """A file has the name of the directory."""
    (tmp_path / "out").write_text("in the way")
    with MisbehavingServer(get=[responds(file())]) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="can't be written"):
            runner.do(result.download, tmp_path / "out" / "deep")


@pytest.mark.parametrize(
    "location", ["http://b.example/", "ftp://b.example/x", "", "https:///", "::"]
)
def test_https_never_redirects_to_http(location: str) -> None:
    """A redirect from https is followed to https only, and no other scheme is followed."""
    verdict = classify("https://a.example/x", Response(302, {"location": location}, b""), 0)
    if location in {"", "::", "https:///"}:
        assert isinstance(verdict, Redirect)
        assert verdict.url.startswith("https://a.example/")
    else:
        assert isinstance(verdict, Rejected)


@pytest.mark.parametrize(
    "task_id", ["../../etc/passwd", "..", "a/b\\c", "", "x" * 500, "con:", "\x00"]
)
def test_no_file_name_leaves_its_directory(task_id: str, tmp_path: Path) -> None:
    """Whatever the id contains, the file is in the directory."""
    name = file_stem(task_id, 0, 1)
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert 0 < len(name) <= 130
    assert name not in {".", ".."}


def test_more_than_five_redirects_are_an_error(runner: Any, tmp_path: Path) -> None:
    """A redirect loop ends."""
    with MisbehavingServer(get=[responds(http(302, b"", "Location: /again"))]) as files:
        with pytest.raises(DownloadFailed, match="redirects"):
            runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.count("GET") == 6
    assert url_problem("http://a.example/") is None


REDIRECTS = {
    "raw UTF-8": ("/ä b/ü.png".encode(), "/%C3%A4%20b/%C3%BC.png"),
    "quoted": (b"/%C3%A4%20b.png", "/%C3%A4%20b.png"),
    "raw Latin-1": (b"/caf\xe9.png", "/caf%C3%A9.png"),
    "a query of UTF-8": ("/a?q=日本".encode(), "/a?q=%E6%97%A5%E6%9C%AC"),
    "signed": (b"/a%2Fb.png?sig=a%2Bb%2F%3D", "/a%2Fb.png?sig=a%2Bb%2F%3D"),
}


@pytest.mark.parametrize(("location", "path"), REDIRECTS.values(), ids=REDIRECTS.keys())
def test_a_redirect_is_requested_with_an_encoded_path(
    location: bytes, path: str, runner: Any, tmp_path: Path
) -> None:
    """A Location may be quoted or raw UTF-8; both backends request the same path."""
    moved = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location
    with MisbehavingServer(get=[responds(moved), responds(file())]) as files:
        runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.requests[1][1] == path


IMPOSSIBLE = (
    "ftp://a.example/x",
    "javascript:alert(1)",
    "http://",
    "http://:80/x",
    "http://a b/x",
    "http://[::1/x",
    "http://[v1.x]/",
    "http://a.example:0/x",
    "http://a.example:99999/x",
    "http://a.example:x/x",
    "http://user:password@a.example/x",
    "http://%00/x",
    "http://a..example/x",
    "http://-/x",
    "http://xn--/x",
    f"http://{'a' * 64}.example/x",
    f"http://{'a.' * 200}example/x",
    "http://１２７.0.0.1:1/x",  # noqa: RUF001
    "http://a\u200b.example/x",
    "http://☃.invalid/x",
    "/x\x01y",
    "/x\x7f",
    "//",
    "http:a",
    "\\\\a.example\\x",
)

# These redirect to the link's own host.
SAME_HOST = ("http://", "//", "http:a", "\\\\a.example\\x")


@pytest.mark.parametrize("location", IMPOSSIBLE, ids=ascii)
def test_an_impossible_redirect_is_an_error_with_each_backend(
    location: str, runner: Any, tmp_path: Path
) -> None:
    """Both backends send the same number of requests; the error names the link."""
    moved = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location.encode()
    with MisbehavingServer(get=[responds(moved)]) as files:
        url = files.url + "/a"
        with pytest.raises(DownloadFailed) as caught:
            runner.do(result_of(runner, url).download, tmp_path, timeout=30)
        assert files.count("GET") == (6 if location in SAME_HOST else 1)
        assert str(caught.value).startswith(f"{url} can't be fetched: ")
        assert list(tmp_path.iterdir()) == []


def test_a_download_waits_for_a_connection_as_long_as_its_own_time_lasts(
    runner: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """More downloads than connections, each longer than the client's timeout, are no failures."""

    def slowly(connection: socket.socket) -> bool:
        content = file()
        for start in range(0, len(content), 2000):
            time.sleep(0.4)
            connection.sendall(content[start : start + 2000])
        return True

    links = 2
    with MisbehavingServer(get=[task("completed", results=[])]) as api, ExitStack() as stack:
        files = stack.enter_context(MisbehavingServer(get=[slowly]))
        urls = [f"{files.url}/{number}.mp4" for number in range(links)]
        api._acts["GET"].appendleft(task("completed", results=urls))
        client = runner.client(api_key=KEY, base_url=api.url, timeout=2, max_connections=1)
        result = runner.do(client.task(ID).wait, 10)
        paths = runner.do(result.download, tmp_path)
        assert [path.read_bytes() for path in paths] == [CONTENT] * links
        assert files.count("GET") == links
    assert not caplog.records
