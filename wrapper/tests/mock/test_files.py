"""The files that results link to, as HTTP serves them."""

from __future__ import annotations

import io
import struct
import threading
import time

import httpx
import pytest

from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli import mock as commands
from wanflow.mock import MockServer
from wanflow.mock.files import media
from wanflow.mock.files.media import available
from wanflow.mock.gateway.outputs import frame_size

CATALOG = packaged_catalog()
IMAGES = [model for model in CATALOG.models.values() if model.kind == "image"]
VIDEOS = [model for model in CATALOG.models.values() if model.kind == "video"]
assert IMAGES
assert VIDEOS


def links(http: httpx.Client, model, **more) -> list[str]:
    task = http.post(model.path, json={**model.example, **more}).json()["id"]
    http.get(f"/v1/tasks/{task}")
    found: list[str] = http.get(f"/v1/tasks/{task}").json()["results"]
    assert found
    return found


@pytest.fixture
def link(http) -> str:
    return links(http, IMAGES[0])[0]


def png_size(content: bytes) -> tuple[int, int]:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_a_picture_has_the_asked_size(http) -> None:
    """A size in the request is the size of the file."""
    sized = [model for model in IMAGES if "size" in model.parameters]
    assert sized
    for model in sized:
        answer = httpx.get(links(http, model, size="1024x768")[0], trust_env=False)
        assert answer.headers["content-type"] == "image/png"
        assert png_size(answer.content) == (1024, 768)


def test_every_model_makes_a_file(http) -> None:
    """Without any wish beside its example's, a model makes a file of its kind."""
    for model in (*IMAGES, *VIDEOS):
        content = httpx.get(links(http, model)[0], trust_env=False, timeout=60).content
        starts = content[:8] == b"\x89PNG\r\n\x1a\n" if model in IMAGES else content[4:8] == b"ftyp"
        assert starts, model.name


def test_a_clip_is_as_long_and_as_wide_as_asked(http) -> None:
    """Duration, quality and aspect ratio of the request are those of the file."""
    av = pytest.importorskip("av", reason="clips need the media extra")
    found = [model for model in VIDEOS if {"aspect_ratio", "quality"} <= model.parameters.keys()]
    assert found
    for model in found:
        link = links(http, model, duration=5, quality="480p", aspect_ratio="9:16")[0]
        content = httpx.get(link, trust_env=False, timeout=60).content
        with av.open(io.BytesIO(content)) as clip:
            stream = clip.streams.video[0]
            assert (stream.width, stream.height) == frame_size("480p", "9:16")
            assert stream.codec_context.name == "h264"
            assert clip.duration / 1e6 == pytest.approx(5, abs=0.2)


def test_there_are_as_many_pictures_as_asked(http) -> None:
    """Each of them is a file of its own, in the asked size."""
    model = next(model for model in IMAGES if {"n", "size"} <= model.parameters.keys())
    found = links(http, model, n=3, size="1024x768")
    files = {httpx.get(link, trust_env=False, timeout=60).content for link in found}
    assert len(files) == 3
    assert {png_size(file) for file in files} == {(1024, 768)}


@pytest.mark.parametrize("model", VIDEOS, ids=lambda model: model.name)
def test_sound_is_where_the_model_takes_sound(http, model) -> None:
    """A clip has a sound track if, and only if, its model has an audio input."""
    av = pytest.importorskip("av", reason="clips need the media extra")
    content = httpx.get(links(http, model)[0], trust_env=False, timeout=60).content
    with av.open(io.BytesIO(content)) as clip:
        assert bool(clip.streams.audio) == any("audio" in name for name in model.parameters)


def test_without_the_extra_small_files_stand_in(monkeypatch, capsys) -> None:
    """They are valid, in the right size where that is cheap, and the start says so."""
    monkeypatch.setattr(media, "available", lambda: False)
    monkeypatch.setattr(commands, "available", lambda: False)
    with MockServer() as server:
        commands._announce(server, {"api_key": None, "loopback_callbacks": False})
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as http:
            model = next(model for model in IMAGES if "size" in model.parameters)
            picture = http.get(links(http, model, size="1024x768")[0]).content
            clip = http.get(links(http, VIDEOS[0])[0]).content
    assert png_size(picture) == (1024, 768)
    assert clip[4:8] == b"ftyp"
    assert len(clip) + len(picture) < 100_000
    assert "placeholders; pip install 'wanflow[media]'" in capsys.readouterr().out


def test_no_key_is_needed_and_none_is_refused(link) -> None:
    """A link is enough, as with any signed link."""
    assert httpx.get(link, trust_env=False).status_code == 200


def test_head_tells_what_get_would(link) -> None:
    """HEAD has the headers of GET and no body."""
    head, get = httpx.head(link, trust_env=False), httpx.get(link, trust_env=False)
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert head.headers[name] == get.headers[name]
    assert head.content == b""
    assert int(get.headers["content-length"]) == len(get.content)


def test_an_unchanged_file_is_not_sent_again(link) -> None:
    """If-None-Match with the ETag is a 304, with another one it isn't."""
    etag = httpx.get(link, trust_env=False).headers["etag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = httpx.get(link, headers={"If-None-Match": value}, trust_env=False)
        assert (answer.status_code, answer.content) == (304, b"")
    answer = httpx.get(link, headers={"If-None-Match": '"other"'}, trust_env=False)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-999999999", slice(0, None)),
        ("bytes=0-999999999", slice(0, None)),
    ],
)
def test_a_range_is_served(link, wanted, part) -> None:
    """A part of the file is a 206 that says which part it is."""
    whole = httpx.get(link, trust_env=False).content
    answer = httpx.get(link, headers={"Range": wanted}, trust_env=False)
    assert answer.status_code == 206
    assert answer.content == whole[part]
    assert answer.headers["content-range"].endswith(f"/{len(whole)}")


@pytest.mark.parametrize("wanted", ["bytes=999999999-", "bytes=-0"])
def test_a_range_beyond_the_file_is_a_416(link, wanted) -> None:
    """The answer tells the file's real length."""
    answer = httpx.get(link, headers={"Range": wanted}, trust_env=False)
    assert answer.status_code == 416
    length = httpx.head(link, trust_env=False).headers["content-length"]
    assert answer.headers["content-range"] == f"bytes */{length}"


@pytest.mark.parametrize("wanted", ["bytes=5-3", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "x"])
def test_a_range_that_is_none_is_ignored(link, wanted) -> None:
    """What can't be understood as one range of bytes gets the whole file."""
    assert httpx.get(link, headers={"Range": wanted}, trust_env=False).status_code == 200


def test_a_range_of_another_version_is_the_whole_file(link) -> None:
    """If-Range with a stale ETag is answered from the start."""
    headers = {"Range": "bytes=3-", "If-Range": '"stale"'}
    assert httpx.get(link, headers=headers, trust_env=False).status_code == 200


def test_there_is_no_file_before_the_end_nor_beside_it(http, mock, link) -> None:
    """Links of unfinished, failed or unknown tasks, and other names, are 404."""
    model = IMAGES[0]
    pending = http.post(model.path, json=dict(model.example)).json()["id"]
    stem = link.rsplit("/", 1)[0]
    for url in (
        f"{mock.url}/media/{pending}/0.png",
        f"{mock.url}/media/task-unified-1-aaaaaaaa/0.png",
        f"{stem}/1.png",
        f"{stem}/0.mp4",
        f"{stem}/0.txt",
        f"{stem}/..%2f0.png",
    ):
        assert httpx.get(url, trust_env=False).status_code == 404
    assert httpx.post(link, trust_env=False).status_code == 405


def test_making_a_file_holds_nobody_up(http) -> None:
    """While a clip is being made, the API answers as quickly as ever."""
    assert available()
    link = links(http, VIDEOS[0], duration=10)[0]
    fetched: list[float] = []

    def fetch() -> None:
        httpx.get(link, trust_env=False, timeout=60)
        fetched.append(time.monotonic())

    thread = threading.Thread(target=fetch)
    thread.start()
    model, answered = IMAGES[0], []
    while thread.is_alive() and len(answered) < 20:
        assert http.post(model.path, json=dict(model.example)).status_code == 200
        answered.append(time.monotonic())
    thread.join()
    assert answered[0] < fetched[0]


def test_a_file_is_made_once(http) -> None:
    """A second request gets the same bytes, at once."""
    link = links(http, VIDEOS[0])[0]
    first = httpx.get(link, trust_env=False, timeout=60)
    again = httpx.get(link, trust_env=False)
    assert first.content == again.content
    assert first.headers["etag"] == again.headers["etag"]


def test_the_page_s_own_copies_are_beyond_faults(mock, http) -> None:
    """Under `/_mock` a file comes whole whatever is in force, and nobody's journal has it."""
    path = links(http, IMAGES[0])[0].removeprefix(mock.url)
    headers = {"X-Mock-Fault": "status=503"}
    assert http.get(mock.url + path, headers=headers).status_code == 503
    whole = http.get(f"{mock.url}/_mock{path}", headers=headers)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "image/png")
    assert [*mock.journal][-1].status == 503
