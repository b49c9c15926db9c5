"""Each file format has its first bytes, its extension and its kinds in one table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow._core.file_formats import (
    FORMATS,
    KINDS,
    UNKNOWN,
    extension,
    result_problem,
)

REST = bytes(range(256)) * 9
IMAGE, VIDEO, AUDIO = (frozenset({kind}) for kind in ("image", "video", "audio"))

# The beginning of a file, its extension, and the kinds of task of which it is a result.
BEGINNINGS = {
    "PNG": (b"\x89PNG\r\n\x1a\n", ".png", {"image", "video"}),
    "JPEG": (b"\xff\xd8\xff\xe1", ".jpg", {"image"}),
    "GIF": (b"GIF89a", ".gif", {"image", "video"}),
    "WebP": (b"RIFF\x10\x00\x00\x00WEBPVP8 ", ".webp", {"image", "video"}),
    "AVIF": (b"\0\0\0\x20ftypavif", ".avif", {"image", "video"}),
    "HEIC": (b"\0\0\0\x20ftypheic", ".heic", {"image", "video"}),
    "BMP": (b"BM" + b"\x36\x10\0\0" + bytes(4) + b"\x36\0\0\0" + b"\x28\0\0\0", ".bmp", {"image"}),
    "TIFF": (b"II*\0\x08\0\0\0", ".tiff", {"image"}),
    "MP4": (b"\0\0\0\x18ftypisom", ".mp4", {"video", "audio"}),
    "MP4 of another brand": (b"\0\0\0\x18ftypabcd", ".mp4", {"video", "audio"}),
    "QuickTime": (b"\0\0\0\x14ftypqt  ", ".mov", {"video", "audio"}),
    "QuickTime without a brand": (b"\0\0\0\x08wide\0\0\x10\0mdat", ".mov", {"video", "audio"}),
    "M4A": (b"\0\0\0\x18ftypM4A ", ".m4a", {"audio"}),
    "WebM": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webmB\x87", ".webm", {"video", "audio"}),
    "Matroska": (b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", ".mkv", {"video", "audio"}),
    "AVI": (b"RIFF\x10\x00\x00\x00AVI LIST", ".avi", {"video"}),
    "MPEG-TS": ((b"G" + bytes(187)) * 3, ".ts", {"video"}),
    "WAV": (b"RIFF\x10\x00\x00\x00WAVEfmt ", ".wav", {"audio"}),
    "MP3 with tags": (b"ID3\x04\0\0\0\0\0\0", ".mp3", {"audio"}),
    "MP3": (b"\xff\xfb\x90\x64", ".mp3", {"audio"}),
    "AAC": (b"\xff\xf1\x50\x80", ".aac", {"audio"}),
    "Ogg": (b"OggS\0\x02", ".ogg", {"video", "audio"}),
    "FLAC": (b"fLaC\0\0\0\x22", ".flac", {"audio"}),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", ".svg", {"image", "text"}),
    "SVG after much": (
        b"\xef\xbb\xbf<?xml version='1.0'?><!-- > -->\n<!DOCTYPE svg PUBLIC 'x' 'y'>\n<svg:svg >",
        ".svg",
        {"image", "text"},
    ),
    "glTF": (b"glTF\x02\0\0\0", ".glb", set(KINDS)),
}
DOCUMENTS = {"SVG", "SVG after much"}
WEAK = {"MP3", "AAC", "QuickTime without a brand"}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_format_is_recognised_by_its_first_bytes(name: str) -> None:
    """The first bytes are decisive, whatever the content type and the link say."""
    begin, suffix, kinds = BEGINNINGS[name]
    content = begin if name in DOCUMENTS else begin + REST
    assert extension(content, "", "http://h/a.html") == suffix
    assert extension(content, "application/octet-stream", "http://h/a") == suffix
    for kind in KINDS:
        wrong = result_problem(content, "application/octet-stream", frozenset({kind}))
        # A weak signature rules nothing out: an unknown file may begin with it by chance.
        assert (wrong is None) == (kind in kinds or name in WEAK), kind


@pytest.mark.parametrize(
    ("label", "end"),
    [
        ("image/jpg", ".jpg"),
        ("audio/x-wav", ".wav"),
        ("image/avif", ".avif"),
        ("video/x-matroska", ".mkv"),
        ("image/svg+xml", ".svg"),
        ("IMAGE/PNG; charset=binary", ".png"),
        ("image/heif", ".heic"),
        ("audio/mp3", ".mp3"),
        ("audio/ogg", ".ogg"),
        ("video/quicktime", ".mov"),
        ("video/x-msvideo", ".avi"),
        ("application/x-sh", UNKNOWN),
        ("text/html", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_the_content_type_decides_without_a_signature(label: str, end: str) -> None:
    """Names that only some servers use are known too."""
    assert extension(b"\x01\x02unknown", label, "http://h/a.exe") == end


def test_no_two_formats_have_the_same_content_type() -> None:
    """Each content type is in the table once."""
    labels = [label for one in FORMATS for label in one.types]
    assert len(labels) == len(set(labels))
    assert all(label == label.lower() and label.count("/") == 1 for label in labels)


@given(st.binary(max_size=200), st.text(max_size=30), st.text(max_size=30))
def test_every_extension_is_in_the_table(begin: bytes, label: str, suffix: str) -> None:
    """Neither a link nor a content type can give a file another extension."""
    known = {UNKNOWN, *(one.extension for one in FORMATS)}
    assert extension(begin, label, f"http://h/a.{suffix}".split("[")[0]) in known
    for dangerous in (".html", ".exe", ".php", ".svgz", ".js", ".sh", ".lnk", ".htm"):
        assert dangerous not in known


@given(st.binary(min_size=1, max_size=300), st.sampled_from(sorted(KINDS)))
def test_an_unknown_format_is_a_result_of_any_kind(begin: bytes, kind: str) -> None:
    """Only a file of a known wrong format is rejected."""
    unknown = b"\x00\x01" + begin
    assert result_problem(unknown, "application/octet-stream", frozenset({kind})) is None
    assert result_problem(unknown, "", frozenset()) is None
    assert result_problem(unknown, f"{kind}/x-new", frozenset({kind})) is None


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><p>hello",
        b"  \r\n<html>",
        b"<!-- a comment --><html lang='en'>",
        b"<head><title>x</title>",
        b"<script>location='/login'</script>",
        b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x' 'y'><html xmlns='z'>",
        b"\xff\xfe<\0h\0t\0m\0l\0>\0",
        b"<h1>404</h1>",
    ],
)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_html_page_is_never_a_result(page: bytes, kind: str) -> None:
    """It is recognised in each form, and is no result of any kind."""
    assert result_problem(page, "video/mp4", frozenset({kind})) == "an HTML page"


@pytest.mark.parametrize("text", [b'{"a": 1}', b" [1, 2]", b"{}", b"[]", b'["x"]', b"[{"])
def test_json_is_a_result_of_text_tasks_only(text: bytes) -> None:
    """For an image, a video or audio it is an error."""
    for kinds in (IMAGE, VIDEO, AUDIO, frozenset()):
        assert result_problem(text, "image/png", kinds) == "JSON"
    assert result_problem(text, "text/plain", frozenset({"text"})) is None
    assert extension(text, "text/plain", "http://h/a") == ".txt"
    assert extension(text, "video/mp4", "http://h/a") == ".json"
