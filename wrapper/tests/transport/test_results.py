"""Only a file of the right kind is saved as a result; until then its link is kept."""

from __future__ import annotations

import gzip
import time
import zlib
from email.utils import formatdate
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.fast_clock import FastClock, with_fast_clock
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.transport.test_guarantees import KEY
from wanflow import DownloadFailed, LinkExpired
from wanflow._core.content_coding import Decoder
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from pathlib import Path

# httpx leaves generators to the garbage collector when a body is left unread; trio warns.
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


def result_of(runner: Any, url: str, kind: str | None = "video", **options: Any) -> Any:
    """Return the result of a completed task of a kind, with a link and a fast clock."""
    more = {} if kind is None else {"type": kind}
    with MisbehavingServer(get=[task("completed", results=[url], **more)]) as server:
        options = {"api_key": KEY, "base_url": server.url, "timeout": 2, **options}
        client = with_fast_clock(runner.client(**options))
        return runner.do(client.task(ID).wait, 10)


def file_response(content: bytes, label: str, *headers: str) -> Any:
    typed = [f"Content-Type: {label}"] if label else []
    return responds(http(200, content, *typed, *headers))


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("case", NOT_RESULTS)
def test_a_file_that_is_not_a_result_is_never_saved(case: str, runner: Any, tmp_path: Path) -> None:
    """It is requested again, and finally the error names what was sent."""
    content, label, what = NOT_RESULTS[case]
    with MisbehavingServer(get=[file_response(content, label)]) as files:
        result = result_of(runner, files.url + "/a.mp4")
        with pytest.raises(DownloadFailed, match=f"its server sent .*{what}.* instead of video"):
            runner.do(result.download, tmp_path)
        assert files.count("GET") == 5
    assert names(tmp_path) == []


@pytest.mark.parametrize("case", ["a sign-in page", "nothing", "an error in JSON"])
def test_a_file_that_is_not_a_result_is_requested_again(
    case: str, runner: Any, tmp_path: Path
) -> None:
    """If the next attempt gets the file, only that is saved."""
    content, label, _ = NOT_RESULTS[case]
    with MisbehavingServer(
        get=[file_response(content, label), file_response(MP4, "video/mp4")]
    ) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
    assert [path.read_bytes() for path in paths] == [MP4]
    assert names(tmp_path) == [f"{ID}.mp4"]


@pytest.mark.parametrize("case", ["a sign-in page", "nothing", "an error in XML"])
def test_a_job_without_a_result_keeps_its_links(case: str, runner: Any, tmp_path: Path) -> None:
    """Its state isn't SAVED, and a later run can save the file."""
    content, label, _ = NOT_RESULTS[case]
    with Ledger(tmp_path / "l.db") as ledger:
        with MisbehavingServer(
            get=[file_response(content, label), *[file_response(content, label)] * 4]
        ) as files:
            files._acts["GET"].append(file_response(MP4, "video/mp4"))
            result = result_of(runner, files.url + "/a", ledger=ledger)
            with pytest.raises(DownloadFailed):
                runner.do(result.download, tmp_path / "out")
            job = ledger.find(ID)
            assert (job.state, job.links) == (JobState.COMPLETED, (files.url + "/a",))
            runner.do(result.download, tmp_path / "out")
        assert ledger.find(ID).state is JobState.SAVED


def test_an_old_link_that_leads_to_a_page_has_expired(runner: Any, tmp_path: Path) -> None:
    """A link is valid for a day, and an expired one may redirect to a page."""
    old = {"created": int(time.time()) - 90_000}
    with MisbehavingServer(get=[file_response(SIGN_IN, "text/html")]) as files:
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
def test_a_file_of_an_unknown_format_is_saved(
    content: bytes, label: str, url: str, name: str, runner: Any, tmp_path: Path
) -> None:
    """New formats are accepted, but no file gets the extension of a program."""
    with MisbehavingServer(get=[file_response(content, label)]) as files:
        paths = runner.do(result_of(runner, files.url + url).download, tmp_path)
    assert [path.name for path in paths] == [ID + name]
    assert paths[0].read_bytes() == content


@pytest.mark.parametrize("content", [b'{"a": 1}', b"plain words", b"<doc/>"])
def test_text_is_a_result_of_a_text_task(content: bytes, runner: Any, tmp_path: Path) -> None:
    """JSON is a valid text result; a sign-in page isn't."""
    with MisbehavingServer(get=[file_response(content, "text/plain")]) as files:
        paths = runner.do(result_of(runner, files.url + "/a", "text").download, tmp_path)
    assert paths[0].read_bytes() == content
    assert paths[0].suffix == ".txt"
    with (
        MisbehavingServer(get=[file_response(SIGN_IN, "text/html")]) as files,
        pytest.raises(DownloadFailed),
    ):
        runner.do(result_of(runner, files.url + "/a", "text").download, tmp_path)


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


ENCODED = {
    "gzip": ("gzip", gzip.compress(MP4)),
    "gzip by its old name": ("x-gzip", gzip.compress(MP4)),
    "gzip in capitals": ("GZIP ", gzip.compress(MP4)),
    "gzip of several members": (
        "gzip",
        gzip.compress(MP4[:999]) + gzip.compress(MP4[999:]) + b"\0" * 8,
    ),
    "a body that isn't gzip": ("gzip", MP4),
    "deflate": ("deflate", zlib.compress(MP4)),
    "deflate, raw": ("deflate", raw_deflate(MP4)),
    "both": ("deflate, gzip", gzip.compress(zlib.compress(MP4))),
    "both, in two headers": (
        "deflate\r\nContent-Encoding: gzip",
        gzip.compress(zlib.compress(MP4)),
    ),
    "an empty second header": ("gzip\r\nContent-Encoding: ", gzip.compress(MP4)),
    "gzip and identity": ("gzip, identity", gzip.compress(MP4)),
    "gzip and an unknown coding": ("aws-chunked,gzip", gzip.compress(MP4)),
    **{f"{word!r}": (word, MP4) for word in ("aws-chunked", "utf-8", "binary", "none", "identity")},
    **{f"{word!r}": (word, MP4) for word in ("", " , ", "something-new")},
}


@pytest.mark.parametrize("case", ENCODED)
def test_an_encoded_file_is_decoded(case: str, runner: Any, tmp_path: Path) -> None:
    """gzip and deflate are decoded and unknown codings ignored, though none was requested."""
    coding, content = ENCODED[case]
    sent = file_response(content, "video/mp4", 'ETag: "1"', f"Content-Encoding: {coding}")
    with MisbehavingServer(get=[sent]) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.headers(0)["accept-encoding"] == "identity"
    assert [path.read_bytes() for path in paths] == [MP4]


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br"])
def test_a_file_in_an_unsupported_coding_is_requested_again(
    coding: str, runner: Any, tmp_path: Path
) -> None:
    """Another attempt may get it unencoded; otherwise the error names the coding."""
    compressed = file_response(b"\x1b\x2d" * 99, "video/mp4", f"Content-Encoding: {coding}")
    with MisbehavingServer(get=[compressed, file_response(MP4, "video/mp4")]) as files:
        runner.do(result_of(runner, files.url + "/a").download, tmp_path)
    with MisbehavingServer(get=[compressed]) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match=r"encoded as (br|zstd|compress)"):
            runner.do(result.download, tmp_path)
        assert files.count("GET") == 5


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_the_size_limit_applies_to_the_decoded_file(
    coding: str, runner: Any, tmp_path: Path
) -> None:
    """A few kilobytes can become gigabytes when decoded."""
    bomb = bytes(20_000_000)
    compressed = gzip.compress(bomb) if coding == "gzip" else zlib.compress(bomb)
    assert len(compressed) < 30_000
    with MisbehavingServer(
        get=[file_response(compressed, "video/mp4", f"Content-Encoding: {coding}", 'ETag: "1"')]
    ) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="limit of 1000000 bytes"):
            runner.do(result.download, tmp_path, max_bytes=1_000_000)
        assert files.count("GET") == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("codings", [("gzip",), ("deflate", "gzip")], ids=len)
def test_each_step_of_decoding_gives_a_bounded_piece(codings: tuple[str, ...]) -> None:
    """However much a chunk contains, memory holds little of it, and the limit comes in time."""
    encoded = bytes(20_000_000)
    for coding in codings:
        encoded = gzip.compress(encoded) if coding == "gzip" else zlib.compress(encoded)
    pieces = list(islice(Decoder(codings).decode(encoded), 40))
    assert len(pieces) == 40
    assert max(map(len, pieces)) <= 64 * 1024


@pytest.mark.parametrize(
    "compressed",
    [gzip.compress(MP4)[:-9], gzip.compress(MP4)[:200] + b"\xff" * 300, b"\x1f\x8b" + b"no" * 99],
    ids=["cut off", "damaged", "no gzip"],
)
def test_a_damaged_encoded_file_is_downloaded_again(
    compressed: bytes, runner: Any, tmp_path: Path
) -> None:
    """The download starts again, without a Range."""
    bad = file_response(compressed, "video/mp4", "Content-Encoding: gzip", 'ETag: "1"')
    with MisbehavingServer(get=[bad, file_response(MP4, "video/mp4", 'ETag: "1"')]) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert "range" not in files.headers(1)
    assert [path.read_bytes() for path in paths] == [MP4]
    assert names(tmp_path) == [f"{ID}.mp4"]


class RecordingClock(FastClock):
    """Skips pauses, and records their lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def _skip(self, seconds: float) -> float:
        self.pauses.append(seconds)
        return super()._skip(seconds)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "a date", "a date of a slow clock"])
def test_the_retry_after_of_a_file_server_is_respected(
    status: int, form: str, runner: Any, tmp_path: Path
) -> None:
    """It is in seconds, or a date that is compared with the response's own Date."""
    now = time.time() - (3600 if form == "a date of a slow clock" else 0)
    when = "2" if form == "seconds" else formatdate(now + 2, usegmt=True)
    response = http(status, b"", f"Retry-After: {when}", f"Date: {formatdate(now, usegmt=True)}")
    with MisbehavingServer(get=[responds(response), file_response(MP4, "video/mp4")]) as files:
        result = result_of(runner, files.url + "/a")
        clock = result._driver._shared.clock = RecordingClock()
        runner.do(result.download, tmp_path)
    assert clock.pauses == [2.0]


def test_a_busy_file_server_is_retried_until_the_download_timeout(
    runner: Any, tmp_path: Path
) -> None:
    """Attempts after a Retry-After aren't counted; only the timeout limits them."""
    busy = responds(http(503, b"", "Retry-After: 10"))
    with MisbehavingServer(get=[*[busy] * 12, file_response(MP4, "video/mp4")]) as files:
        runner.do(result_of(runner, files.url + "/a").download, tmp_path, timeout=200)
        assert files.count("GET") == 13
    with MisbehavingServer(get=[busy]) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="503"):
            runner.do(result.download, tmp_path, timeout=35)
        assert files.count("GET") == 4
    with MisbehavingServer(get=[responds(http(503, b"", "Retry-After: 900000"))]) as files:
        result = result_of(runner, files.url + "/a")
        with pytest.raises(DownloadFailed, match="503"):
            runner.do(result.download, tmp_path)
        assert files.count("GET") == 1


IMPOSSIBLE = {
    "a file": ("file:///etc/passwd", "scheme is 'file'"),
    "data": ("data:,x", "scheme is 'data'"),
    "no host, but a port": ("http://:80/x", "names no host"),
    "a port that isn't a number": ("http://127.0.0.1:x/", "port"),
    "a port that is too large": ("http://127.0.0.1:99999/", "port"),
    "port 0": ("http://127.0.0.1:0/", "port"),
    "a bracket": ("http://[::1/x", "no URL"),
    "a user": ("http://me:secret@127.0.0.1/x", "names a user"),
    "a host with a blank": ("http://a b/x", "host is no name"),
    "a host of dots": ("http://a..b/x", "host is no name"),
    "a long host": (f"http://{'a' * 300}/x", "host is no name"),
    "a host of one number": ("http://2130706433/x", "neither a name nor an address"),
    "a host of two numbers": ("http://127.1/x", "neither a name nor an address"),
    "a host of hexadecimal digits": ("http://0x7f.1/x", "neither a name nor an address"),
    "a script": ("javascript:alert(1)", "scheme is 'javascript'"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
@pytest.mark.parametrize("status", [302, 308])
def test_an_impossible_redirect_is_an_error(
    case: str, status: int, runner: Any, tmp_path: Path
) -> None:
    """Each backend rejects it before any request, and doesn't retry."""
    location, why = IMPOSSIBLE[case]
    with MisbehavingServer(get=[responds(http(status, b"", f"Location: {location}"))]) as files:
        result = result_of(runner, files.url + "/a")
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
def test_a_redirect_is_resolved_against_its_url(
    location: str, target: str, runner: Any, tmp_path: Path
) -> None:
    """A `Location` may be raw UTF-8; what is encoded isn't changed."""
    moved = http(302, b"", "Location: " + location.encode().decode("latin-1"))
    # `http` encodes as UTF-8; here each character stands for one byte.
    raw = moved.decode().encode("latin-1")
    with MisbehavingServer(get=[responds(raw), file_response(MP4, "video/mp4")]) as files:
        paths = runner.do(result_of(runner, files.url + "/a").download, tmp_path)
        assert files.requests[1][1] == target
    assert paths[0].read_bytes() == MP4
