"""Laws of what is saved: a file is a result only if it is one, and until then its link is kept."""

from __future__ import annotations

import gzip
import time
import zlib
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.fast_clock import FastClock, with_fast_clock
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.transport.test_guarantees import KEY
from wanflow import DownloadFailed, LinkExpired
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from pathlib import Path

# httpx leaves its generators to the collector when a body isn't read to its end; trio says so.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(range(256)) * 20
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(range(256))
SIGN_IN = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"
NOT_RESULTS = {
    "a sign-in page": (SIGN_IN, "text/html; charset=utf-8", "an HTML page"),
    "a page labelled as a video": (SIGN_IN, "video/mp4", "an HTML page"),
    "a page without a label": (b"<body>Please stand by</body>", "", "an HTML page"),
    "a page in UTF-16": (SIGN_IN.decode().encode("utf-16"), "video/mp4", "an HTML page"),
    "a page by its label alone": (b"Please stand by", "text/html", "an HTML page"),
    "an error in JSON": (b'{"error": {"code": 403}}', "application/json", "JSON"),
    "an error in JSON, labelled as a video": (b'{"error": "denied"}', "video/mp4", "JSON"),
    "an error in XML": (
        b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>",
        "application/xml",
        "XML",
    ),
    "an error in XML, labelled as a video": (b"<Error>gone </Error>", "video/mp4", "XML"),
    "an error in plain text": (b"upstream error", "text/plain", "of the type text/plain"),
    "an error in plain text, labelled as a video": (b"Access denied", "video/mp4", "a text"),
    "an error in plain text without a label": ("Zugriff für keinen\n".encode(), "", "a text"),
    "white space": (b" \r\n", "application/octet-stream", "a text"),
    "nothing": (b"", "video/mp4", "an empty file"),
    "a picture": (JPEG, "image/jpeg", "of the kind image"),
    "a song": (MP3, "video/mp4", "of the kind audio"),
    "a picture by its label": (b"\x01\x02\x03 unknown", "image/x-unknown", "of the type image"),
}


def asked(runner: Any, url: str, kind: str | None = "video", **options: Any) -> Any:
    """A completed task of a kind with a link, of a client that takes no time to wait."""
    more = {} if kind is None else {"type": kind}
    with MisbehavingServer(get=[task("completed", results=[url], **more)]) as server:
        options = {"api_key": KEY, "base_url": server.url, "timeout": 2, **options}
        client = with_fast_clock(runner.client(**options))
        return runner.do(client.task(ID).wait, 10)


def answer(content: bytes, label: str, *headers: str) -> Any:
    typed = [f"Content-Type: {label}"] if label else []
    return responds(http(200, content, *typed, *headers))


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("case", NOT_RESULTS)
def test_what_is_no_result_is_never_saved(case: str, runner: Any, tmp_path: Path) -> None:
    """It is asked for again, and where nothing else comes the error says what came."""
    content, label, what = NOT_RESULTS[case]
    with MisbehavingServer(get=[answer(content, label)]) as files:
        result = asked(runner, files.url + "/a.mp4")
        with pytest.raises(DownloadFailed, match=f"its server sent .*{what}.* instead of video"):
            runner.do(result.download, tmp_path)
        assert files.count("GET") == 5
    assert names(tmp_path) == []


@pytest.mark.parametrize("case", ["a sign-in page", "nothing", "an error in JSON"])
def test_what_is_no_result_is_asked_for_again(case: str, runner: Any, tmp_path: Path) -> None:
    """The file may come at the next try, and is then the only thing that is saved."""
    content, label, _ = NOT_RESULTS[case]
    with MisbehavingServer(get=[answer(content, label), answer(MP4, "video/mp4")]) as files:
        paths = runner.do(asked(runner, files.url + "/a").download, tmp_path)
    assert [path.read_bytes() for path in paths] == [MP4]
    assert names(tmp_path) == [f"{ID}.mp4"]


@pytest.mark.parametrize("case", ["a sign-in page", "nothing", "an error in XML"])
def test_a_job_without_a_result_keeps_its_links(case: str, runner: Any, tmp_path: Path) -> None:
    """It isn't saved, and a later run saves it."""
    content, label, _ = NOT_RESULTS[case]
    with Ledger(tmp_path / "l.db") as ledger:
        with MisbehavingServer(
            get=[answer(content, label), *[answer(content, label)] * 4]
        ) as files:
            files._acts["GET"].append(answer(MP4, "video/mp4"))
            result = asked(runner, files.url + "/a", ledger=ledger)
            with pytest.raises(DownloadFailed):
                runner.do(result.download, tmp_path / "out")
            job = ledger.find(ID)
            assert (job.state, job.links) == (JobState.COMPLETED, (files.url + "/a",))
            runner.do(result.download, tmp_path / "out")
        assert ledger.find(ID).state is JobState.SAVED


def test_a_page_where_a_dead_link_led_is_its_end(runner: Any, tmp_path: Path) -> None:
    """After its day, a link that leads to a page is past its time, as one that leads nowhere."""
    old = {"created": int(time.time()) - 90_000}
    with MisbehavingServer(get=[answer(SIGN_IN, "text/html")]) as files:
        with MisbehavingServer(
            get=[task("completed", results=[files.url + "/a"], **old)]
        ) as server:
            client = with_fast_clock(runner.client(api_key=KEY, base_url=server.url))
            result = runner.do(client.task(ID).wait, 10)
        with pytest.raises(LinkExpired, match="an HTML page"):
            runner.do(result.download, tmp_path)


@pytest.mark.parametrize(
    ("content", "label", "url", "name"),
    [
        (b"\x01unknown\xff" * 99, "application/octet-stream", "/a", ".bin"),
        (b"\x01unknown\xff" * 99, "", "/a.webm", ".webm"),
        (b"\x01unknown\xff" * 99, "application/octet-stream", "/a.exe", ".bin"),
        (b"\x01unknown\xff" * 99, "application/x-msdownload", "/a.html", ".bin"),
        (b"\x01unknown\xff" * 99, "text/plain", "/a.mkv", ".mkv"),
        (b"unknown", "video/x-new", "/a.php", ".bin"),
        (MP4, "text/html", "/a.html", ".mp4"),
        (MP4, "application/json", "/a", ".mp4"),
    ],
)
def test_what_is_unknown_is_saved(
    content: bytes, label: str, url: str, name: str, runner: Any, tmp_path: Path
) -> None:
    """Nothing is refused for being new, and no name ends in what somebody might run."""
    with MisbehavingServer(get=[answer(content, label)]) as files:
        paths = runner.do(asked(runner, files.url + url).download, tmp_path)
    assert [path.name for path in paths] == [ID + name]
    assert paths[0].read_bytes() == content


@pytest.mark.parametrize("content", [b'{"a": 1}', b"plain words", b"<doc/>"])
def test_where_text_is_wanted_text_is_right(content: bytes, runner: Any, tmp_path: Path) -> None:
    """JSON is a result of a task that makes text; a sign-in page is none."""
    with MisbehavingServer(get=[answer(content, "text/plain")]) as files:
        paths = runner.do(asked(runner, files.url + "/a", "text").download, tmp_path)
    assert paths[0].read_bytes() == content
    assert paths[0].suffix == ".txt"
    with (
        MisbehavingServer(get=[answer(SIGN_IN, "text/html")]) as files,
        pytest.raises(DownloadFailed),
    ):
        runner.do(asked(runner, files.url + "/a", "text").download, tmp_path)


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKED = {
    "gzip": ("gzip", gzip.compress(MP4)),
    "gzip by its old name": ("x-gzip", gzip.compress(MP4)),
    "gzip in capitals": ("GZIP ", gzip.compress(MP4)),
    "gzip of several members": (
        "gzip",
        gzip.compress(MP4[:999]) + gzip.compress(MP4[999:]) + b"\0" * 8,
    ),
    "gzip that is none": ("gzip", MP4),
    "deflate": ("deflate", zlib.compress(MP4)),
    "deflate, raw": ("deflate", raw_deflate(MP4)),
    "both": ("deflate, gzip", gzip.compress(zlib.compress(MP4))),
    "both, in two headers": (
        "deflate\r\nContent-Encoding: gzip",
        gzip.compress(zlib.compress(MP4)),
    ),
    "nothing in a second header": ("gzip\r\nContent-Encoding: ", gzip.compress(MP4)),
    "gzip and nothing": ("gzip, identity", gzip.compress(MP4)),
    "gzip and what means nothing": ("aws-chunked,gzip", gzip.compress(MP4)),
    **{f"{word!r}": (word, MP4) for word in ("aws-chunked", "utf-8", "binary", "none", "identity")},
    **{f"{word!r}": (word, MP4) for word in ("", " , ", "something-new")},
}


@pytest.mark.parametrize("case", PACKED)
def test_a_file_is_what_it_was_before_it_was_encoded(
    case: str, runner: Any, tmp_path: Path
) -> None:
    """Words that mean nothing change nothing, gzip and deflate are undone; none was asked for."""
    said, content = PACKED[case]
    sent = answer(content, "video/mp4", 'ETag: "1"', f"Content-Encoding: {said}")
    with MisbehavingServer(get=[sent]) as files:
        paths = runner.do(asked(runner, files.url + "/a").download, tmp_path)
        assert files.headers(0)["accept-encoding"] == "identity"
    assert [path.read_bytes() for path in paths] == [MP4]


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br"])
def test_a_coding_that_cannot_be_undone_is_said_and_asked_again(
    coding: str, runner: Any, tmp_path: Path
) -> None:
    """Another try may bring it as it is; if not, the error names the coding."""
    packed = answer(b"\x1b\x2d" * 99, "video/mp4", f"Content-Encoding: {coding}")
    with MisbehavingServer(get=[packed, answer(MP4, "video/mp4")]) as files:
        runner.do(asked(runner, files.url + "/a").download, tmp_path)
    with MisbehavingServer(get=[packed]) as files:
        result = asked(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match=r"encoded as (br|zstd|compress)"):
            runner.do(result.download, tmp_path)
        assert files.count("GET") == 5


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_encoded_is_bounded_as_it_comes_out(
    coding: str, runner: Any, tmp_path: Path
) -> None:
    """A few kilobytes can be gigabytes, and the limit is of what is saved."""
    bomb = bytes(20_000_000)
    packed = gzip.compress(bomb) if coding == "gzip" else zlib.compress(bomb)
    assert len(packed) < 30_000
    with MisbehavingServer(
        get=[answer(packed, "video/mp4", f"Content-Encoding: {coding}", 'ETag: "1"')]
    ) as files:
        result = asked(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="limit of 1000000 bytes"):
            runner.do(result.download, tmp_path, max_bytes=1_000_000)
        assert files.count("GET") == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(MP4)[:-9], gzip.compress(MP4)[:200] + b"\xff" * 300, b"\x1f\x8b" + b"no" * 99],
    ids=["cut off", "damaged", "no gzip"],
)
def test_what_is_encoded_badly_is_never_glued(packed: bytes, runner: Any, tmp_path: Path) -> None:
    """It starts anew, and no part of what is encoded is asked for."""
    bad = answer(packed, "video/mp4", "Content-Encoding: gzip", 'ETag: "1"')
    with MisbehavingServer(get=[bad, answer(MP4, "video/mp4", 'ETag: "1"')]) as files:
        paths = runner.do(asked(runner, files.url + "/a").download, tmp_path)
        assert "range" not in files.headers(1)
    assert [path.read_bytes() for path in paths] == [MP4]
    assert names(tmp_path) == [f"{ID}.mp4"]


class Noting(FastClock):
    """Leaps over pauses, and keeps how long they were."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def _skip(self, seconds: float) -> float:
        self.pauses.append(seconds)
        return super()._skip(seconds)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "a date", "a date of a slow clock"])
def test_a_busy_file_server_is_asked_again_when_it_says(
    status: int, form: str, runner: Any, tmp_path: Path
) -> None:
    """Two seconds are two seconds, a date is read against the date of the response."""
    now = time.time() - (3600 if form == "a date of a slow clock" else 0)
    when = "2" if form == "seconds" else formatdate(now + 2, usegmt=True)
    busy = http(status, b"", f"Retry-After: {when}", f"Date: {formatdate(now, usegmt=True)}")
    with MisbehavingServer(get=[responds(busy), answer(MP4, "video/mp4")]) as files:
        result = asked(runner, files.url + "/a")
        clock = result._driver._shared.clock = Noting()
        runner.do(result.download, tmp_path)
    assert clock.pauses == [2.0]


def test_a_server_that_is_busy_for_long_is_asked_for_as_long_as_the_file_may_take(
    runner: Any, tmp_path: Path
) -> None:
    """It said when to come each time, so it is no matter of tries; the time ends it."""
    busy = responds(http(503, b"", "Retry-After: 10"))
    with MisbehavingServer(get=[*[busy] * 12, answer(MP4, "video/mp4")]) as files:
        runner.do(asked(runner, files.url + "/a").download, tmp_path, timeout=200)
        assert files.count("GET") == 13
    with MisbehavingServer(get=[busy]) as files:
        result = asked(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="503"):
            runner.do(result.download, tmp_path, timeout=35)
        assert files.count("GET") == 4
    with MisbehavingServer(get=[responds(http(503, b"", "Retry-After: 900000"))]) as files:
        result = asked(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="503"):
            runner.do(result.download, tmp_path)
        assert files.count("GET") == 1


IMPOSSIBLE = {
    "a file": ("file:///etc/passwd", "scheme is 'file'"),
    "data": ("data:,x", "scheme is 'data'"),
    "no host, but a port": ("http://:80/x", "names no host"),
    "a port that is none": ("http://127.0.0.1:x/", "port"),
    "a port that is too large": ("http://127.0.0.1:99999/", "port"),
    "port 0": ("http://127.0.0.1:0/", "port"),
    "a bracket": ("http://[::1/x", "no URL"),
    "a user": ("http://me:secret@127.0.0.1/x", "names a user"),
    "a host with a blank": ("http://a b/x", "host is no name"),
    "a host of dots": ("http://a..b/x", "host is no name"),
    "a long host": (f"http://{'a' * 300}/x", "host is no name"),
    "a host of one number": ("http://2130706433/x", "neither a name nor an address"),
    "a host of few numbers": ("http://127.1/x", "neither a name nor an address"),
    "a host of hexadecimal digits": ("http://0x7f.1/x", "neither a name nor an address"),
    "a script": ("javascript:alert(1)", "scheme is 'javascript'"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
@pytest.mark.parametrize("status", [302, 308])
def test_a_redirect_to_nowhere_is_one_sentence(
    case: str, status: int, runner: Any, tmp_path: Path
) -> None:
    """It is the same for each transport: refused before anything is asked, and not again."""
    location, why = IMPOSSIBLE[case]
    with MisbehavingServer(get=[responds(http(status, b"", f"Location: {location}"))]) as files:
        result = asked(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match=f"its redirect can't be followed: .*{why}"):
            runner.do(result.download, tmp_path)
        assert files.count("GET") == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/caf\u00e9.mp4?x=\u4e2d", "/caf%C3%A9.mp4?x=%E4%B8%AD"),
        ("/caf%C3%A9.mp4", "/caf%C3%A9.mp4"),
        ("b/../c%2Fd", "/c%2Fd"),
        ("?signature=a+b/c%3D", "/a?signature=a+b/c%3D"),
        ("/x#part", "/x"),
    ],
)
def test_a_redirect_leads_where_its_server_meant(
    location: str, target: str, runner: Any, tmp_path: Path
) -> None:
    """A `Location` in raw UTF-8 is one, and what is encoded stays as it is."""
    moved = http(302, b"", "Location: " + location.encode().decode("latin-1"))
    # `http` encodes as UTF-8 what is here one character a byte.
    raw = moved.decode().encode("latin-1")
    with MisbehavingServer(get=[responds(raw), answer(MP4, "video/mp4")]) as files:
        paths = runner.do(asked(runner, files.url + "/a").download, tmp_path)
        assert files.requests[1][1] == target
    assert paths[0].read_bytes() == MP4
