"""Laws of a download: whole or not there, gone on with, bounded, and kept in its folder."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.fast_clock import with_fast_clock
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.transport.test_guarantees import KEY
from wanflow import DownloadFailed, LinkExpired
from wanflow._core.download_rules import Redirect, Rejected, classify, file_stem
from wanflow._core.effects import Response
from wanflow._core.url_rules import url_problem

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

# httpx leaves its generators to the collector when a body isn't read to its end; trio says so.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

CONTENT = bytes(range(256)) * 40
ETAG = '"one"'


def file(content: bytes = CONTENT, *headers: str, etag: str | None = ETAG) -> bytes:
    """A whole file's answer."""
    tag = [f"ETag: {etag}"] if etag else []
    return http(200, content, "Content-Type: video/mp4", *tag, *headers)


def half(etag: str | None = ETAG) -> Any:
    """Send half of the file and break off."""
    return responds(file(etag=etag)[:-5000], keep=False)


def rest(start: int, content: bytes = CONTENT, etag: str = ETAG) -> Any:
    """Send the file from a byte on."""
    where = f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}"
    return responds(http(206, content[start:], "Content-Type: video/mp4", f"ETag: {etag}", where))


class Ranges:
    """Serves the file as it is asked for."""

    def __init__(
        self, server: MisbehavingServer, content: bytes = CONTENT, etag: str = ETAG
    ) -> None:
        self._server, self._content, self._etag = server, content, etag

    def __call__(self, connection: socket.socket) -> bool:
        asked = self._server.headers(-1)
        start = int(asked["range"][6:-1]) if "range" in asked else 0
        if start and asked["if-range"] == self._etag:
            return rest(start, self._content, self._etag)(connection)
        return responds(file(self._content, etag=self._etag))(connection)


def result_of(runner: Any, *urls: str, created: float | None = None) -> Any:
    """A completed task with these links."""
    more = {} if created is None else {"created": int(created)}
    with MisbehavingServer(get=[task("completed", results=list(urls), **more)]) as server:
        client = with_fast_clock(runner.client(api_key=KEY, base_url=server.url, timeout=2))
        return runner.do(client.task(ID).wait, 10)


def saved(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_broken_download_goes_on_where_it_stopped(runner: Any, tmp_path: Path) -> None:
    """The next try asks for the rest of the same file, and the whole is right."""
    with MisbehavingServer(get=[half()]) as files:
        files._acts["GET"].append(Ranges(files))
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.headers(1)["range"] == f"bytes={len(CONTENT) - 5000}-"
        assert files.headers(1)["if-range"] == ETAG
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert saved(tmp_path) == [f"{ID}.mp4"]


def test_a_later_run_goes_on_with_what_an_earlier_one_left(runner: Any, tmp_path: Path) -> None:
    """The part file and what the server knows it by outlive the process."""
    with MisbehavingServer(get=[half()]) as files:
        with pytest.raises(DownloadFailed):
            runner.do(result_of(runner, files.url + "/a").download, tmp_path, timeout=1.2)
        left = saved(tmp_path)
        assert left == [f".{ID}.part", f".{ID}.part.json"]
    with MisbehavingServer() as files:
        files._acts["GET"].append(Ranges(files))
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.headers(0)["range"].startswith("bytes=")
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert saved(tmp_path) == [f"{ID}.mp4"]


def test_another_file_is_never_glued_to_the_first(runner: Any, tmp_path: Path) -> None:
    """Where the file has changed, or its server says nothing to know it by, it starts anew."""
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


def test_a_part_that_is_longer_than_the_file_starts_anew(runner: Any, tmp_path: Path) -> None:
    """416 is no end: what is on disk is dropped."""
    (tmp_path / f".{ID}.part").write_bytes(b"x" * 99)
    (tmp_path / f".{ID}.part.json").write_text('{"validator": "\\"one\\""}')
    with MisbehavingServer(get=[responds(http(416, b"")), responds(file())]) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
    assert [path.read_bytes() for path in paths] == [CONTENT]


@pytest.mark.parametrize(
    "notes", ["", "[]", '{"validator": 7}', "{" * 9999, '{"validator":"a\\nb"}']
)
def test_notes_that_cannot_be_read_are_as_none(notes: str, runner: Any, tmp_path: Path) -> None:
    """A part without good notes is not trusted."""
    (tmp_path / f".{ID}.part").write_bytes(b"x" * 99)
    (tmp_path / f".{ID}.part.json").write_text(notes)
    with MisbehavingServer(get=[responds(file())]) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert "range" not in files.headers(0)
    assert [path.read_bytes() for path in paths] == [CONTENT]


def test_a_file_of_the_wrong_length_is_not_there(runner: Any, tmp_path: Path) -> None:
    """A body shorter than announced is no file."""
    short = responds(http(200, b"abc", length=10), keep=False)
    with MisbehavingServer(get=[short]) as files, pytest.raises(DownloadFailed) as caught:
        runner.do(result_of(runner, files.url + "/a").download, tmp_path, timeout=0.4)
    assert caught.value.task_id == ID
    assert saved(tmp_path) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_over_the_limit_is_not_there(announced: bool, runner: Any, tmp_path: Path) -> None:
    """Whether its server says so first or not, it ends at the limit, and nothing is left."""
    raw = file() if announced else b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT
    with MisbehavingServer(get=[responds(raw, keep=False)]) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="limit of 1000 bytes"):
            runner.do(result.download, tmp_path, max_bytes=1000)
    assert saved(tmp_path) == []


def test_several_files_come_at_once_and_in_order(runner: Any, tmp_path: Path) -> None:
    """The paths are in the order of the links, whichever came first; progress tells each."""
    told: list[Any] = []
    together = threading.Barrier(4)
    contents = [bytes([index]) * 99 for index in range(4)]

    def sends(content: bytes) -> Callable[[socket.socket], bool]:
        def act(connection: socket.socket) -> bool:
            together.wait(10)
            return responds(file(content, etag=None))(connection)

        return act

    with ExitStack() as stack:
        hosts = [
            stack.enter_context(MisbehavingServer(get=[sends(content)])) for content in contents
        ]
        result = result_of(runner, *(host.url + "/x" for host in hosts))
        paths = runner.do(result.download, tmp_path, on_progress=told.append)
    assert [path.name for path in paths] == [f"{ID}-{n}.mp4" for n in (1, 2, 3, 4)]
    assert [path.read_bytes() for path in paths] == contents
    assert {(one.index, one.count) for one in told} == {(index, 4) for index in range(4)}
    assert all(one.have <= one.total for one in told)


def test_what_could_be_saved_is_kept_when_another_fails(runner: Any, tmp_path: Path) -> None:
    """One dead link doesn't cost the other files, and the error names them."""
    with (
        MisbehavingServer(get=[responds(file())]) as files,
        MisbehavingServer(get=[responds(http(404, b""))]) as dead,
    ):
        result = result_of(runner, files.url + "/a", dead.url + "/b")
        with pytest.raises(DownloadFailed) as caught:
            runner.do(result.download, tmp_path)
    assert [path.name for path in caught.value.saved] == [f"{ID}-1.mp4"]
    assert saved(tmp_path) == [f"{ID}-1.mp4"]


@pytest.mark.parametrize("status", [403, 404])
def test_a_link_past_its_day_has_expired(status: int, runner: Any, tmp_path: Path) -> None:
    """The same answer within the day is a failure of another kind."""
    with MisbehavingServer(get=[responds(http(status, b""))]) as files:
        old = result_of(runner, files.url + "/a", created=time.time() - 90_000)
        with pytest.raises(LinkExpired):
            runner.do(old.download, tmp_path)
        young = result_of(runner, files.url + "/a", created=time.time())
        with pytest.raises(DownloadFailed) as caught:
            runner.do(young.download, tmp_path)
    assert not isinstance(caught.value, LinkExpired)
    assert caught.value.status == status


def test_a_link_whose_server_says_gone_has_expired(runner: Any, tmp_path: Path) -> None:
    """410 is sure, whatever this machine's clock says: that of the server may be a virtual one."""
    with MisbehavingServer(get=[responds(http(410, b""))]) as files:
        young = result_of(runner, files.url + "/a", created=time.time())
        with pytest.raises(LinkExpired) as caught:
            runner.do(young.download, tmp_path)
    assert caught.value.status == 410


@pytest.mark.parametrize(
    "link",
    ["gs://bucket/key", "file:///etc/passwd", "data:,x", "ftp://a/b", "//a/b", "x", "http://"],
)
def test_only_the_web_is_fetched(link: str, runner: Any, tmp_path: Path) -> None:
    """A link of another scheme is said to be one, and nothing is touched."""
    with pytest.raises(DownloadFailed, match="can't be fetched"):
        runner.do(result_of(runner, link).download, tmp_path)
    assert saved(tmp_path) == []


def test_a_symlink_is_not_followed(runner: Any, tmp_path: Path) -> None:
    """Whoever can write the folder can't have the bytes written elsewhere."""
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".{ID}.part").symlink_to(tmp_path / "target")
    with MisbehavingServer(get=[responds(file())]) as files, pytest.raises(DownloadFailed):
        runner.do(result_of(runner, files.url + "/a").download, tmp_path / "out")
    assert (tmp_path / "target").read_bytes() == b"precious"


def test_a_folder_that_cannot_be_is_one_clear_error(runner: Any, tmp_path: Path) -> None:
    """A file in the way of the folder is said to be."""
    (tmp_path / "out").write_text("in the way")
    with MisbehavingServer(get=[responds(file())]) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="can't be written"):
            runner.do(result.download, tmp_path / "out" / "deep")


@pytest.mark.parametrize(
    "location", ["http://b.example/", "ftp://b.example/x", "", "https:///", "::"]
)
def test_https_never_leads_to_less(location: str) -> None:
    """A redirect from https goes to https only, and any redirect to the web only."""
    verdict = classify("https://a.example/x", Response(302, {"location": location}, b""), 0)
    if location in {"", "::", "https:///"}:
        assert isinstance(verdict, Redirect)
        assert verdict.url.startswith("https://a.example/")
    else:
        assert isinstance(verdict, Rejected)


@pytest.mark.parametrize(
    "task_id", ["../../etc/passwd", "..", "a/b\\c", "", "x" * 500, "con:", "\x00"]
)
def test_no_name_leaves_its_folder(task_id: str, tmp_path: Path) -> None:
    """Whatever the id says, the file is in the folder."""
    name = file_stem(task_id, 0, 1)
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert 0 < len(name) <= 130
    assert name not in {".", ".."}


def test_more_redirects_than_five_are_a_loop(runner: Any, tmp_path: Path) -> None:
    """A server that redirects for ever is left."""
    with MisbehavingServer(get=[responds(http(302, b"", "Location: /again"))]) as files:
        with pytest.raises(DownloadFailed, match="redirects"):
            runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.count("GET") == 6
    assert url_problem("http://a.example/") is None


LEADS = {
    "raw UTF-8": ("/ä b/ü.png".encode(), "/%C3%A4%20b/%C3%BC.png"),
    "quoted": (b"/%C3%A4%20b.png", "/%C3%A4%20b.png"),
    "raw Latin-1": (b"/caf\xe9.png", "/caf%C3%A9.png"),
    "a query of UTF-8": ("/a?q=日本".encode(), "/a?q=%E6%97%A5%E6%9C%AC"),
    "signed": (b"/a%2Fb.png?sig=a%2Bb%2F%3D", "/a%2Fb.png?sig=a%2Bb%2F%3D"),
}


@pytest.mark.parametrize(("location", "path"), LEADS.values(), ids=LEADS.keys())
def test_a_redirect_is_followed_to_where_it_leads(
    location: bytes, path: str, runner: Any, tmp_path: Path
) -> None:
    """Addresses come quoted or as raw UTF-8; both backends ask for the same."""
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

# These lead back to the link's own host.
BACK = ("http://", "//", "http:a", "\\\\a.example\\x")


@pytest.mark.parametrize("location", IMPOSSIBLE, ids=ascii)
def test_a_redirect_that_leads_nowhere_is_an_error_over_each_backend(
    location: str, runner: Any, tmp_path: Path
) -> None:
    """The link's host is asked as often over one as over the other; the error names the link."""
    moved = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location.encode()
    with MisbehavingServer(get=[responds(moved)]) as files:
        url = files.url + "/a"
        with pytest.raises(DownloadFailed) as caught:
            runner.do(result_of(runner, url).download, tmp_path, timeout=30)
        assert files.count("GET") == (6 if location in BACK else 1)
        assert str(caught.value).startswith(f"{url} can't be fetched: ")
        assert list(tmp_path.iterdir()) == []
