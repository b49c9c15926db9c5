"""The result files, served over HTTP."""

from __future__ import annotations

import io
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.plain_http import PLAIN
from tests.waiting import TIME_LIMIT
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli import mock as commands
from wanflow.mock import MockServer
from wanflow.mock.files import cache, media
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


def test_an_image_has_the_requested_size(http) -> None:
    """The size of the request is the size of the file."""
    sized = [model for model in IMAGES if "size" in model.parameters]
    assert sized
    for model in sized:
        response = httpx.get(links(http, model, size="1024x768")[0], **PLAIN)
        assert response.headers["content-type"] == "image/png"
        assert png_size(response.content) == (1024, 768)


def test_every_model_makes_a_file(http) -> None:
    """The example request of a model makes a file of its kind."""
    for model in (*IMAGES, *VIDEOS):
        content = httpx.get(links(http, model)[0], **PLAIN).content
        starts = content[:8] == b"\x89PNG\r\n\x1a\n" if model in IMAGES else content[4:8] == b"ftyp"
        assert starts, model.name


def test_a_video_has_the_requested_duration_and_size(http) -> None:
    """Duration, quality and aspect ratio of the request are those of the file."""
    av = pytest.importorskip("av", reason="videos need the media extra")
    found = [model for model in VIDEOS if {"aspect_ratio", "quality"} <= model.parameters.keys()]
    assert found
    for model in found:
        link = links(http, model, duration=5, quality="480p", aspect_ratio="9:16")[0]
        content = httpx.get(link, **PLAIN).content
        with av.open(io.BytesIO(content)) as video:
            stream = video.streams.video[0]
            assert (stream.width, stream.height) == frame_size("480p", "9:16")
            assert stream.codec_context.name == "h264"
            assert video.duration / 1e6 == pytest.approx(5, abs=0.2)


def test_the_number_of_images_is_as_requested(http) -> None:
    """Each image is a different file of the requested size."""
    model = next(model for model in IMAGES if {"n", "size"} <= model.parameters.keys())
    found = links(http, model, n=3, size="1024x768")
    files = {httpx.get(link, **PLAIN).content for link in found}
    assert len(files) == 3
    assert {png_size(file) for file in files} == {(1024, 768)}


@pytest.mark.parametrize("model", VIDEOS, ids=lambda model: model.name)
def test_a_video_has_sound_if_its_model_has_an_audio_input(http, model) -> None:
    """A video has a sound track if, and only if, its model has an audio input."""
    av = pytest.importorskip("av", reason="videos need the media extra")
    content = httpx.get(links(http, model)[0], **PLAIN).content
    with av.open(io.BytesIO(content)) as video:
        assert bool(video.streams.audio) == any("audio" in name for name in model.parameters)


def test_without_the_extra_files_are_placeholders(monkeypatch, capsys) -> None:
    """Placeholders are valid, images have the requested size, and the start message says so."""
    monkeypatch.setattr(media, "available", lambda: False)
    monkeypatch.setattr(commands, "available", lambda: False)
    with MockServer() as server:
        commands._announce(server, {"api_key": None, "loopback_callbacks": False})
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
            model = next(model for model in IMAGES if "size" in model.parameters)
            image = http.get(links(http, model, size="1024x768")[0]).content
            video = http.get(links(http, VIDEOS[0])[0]).content
    assert png_size(image) == (1024, 768)
    assert video[4:8] == b"ftyp"
    assert len(video) + len(image) < 100_000
    assert "placeholders; pip install 'wanflow[media]'" in capsys.readouterr().out


def test_no_key_is_needed(link) -> None:
    """The URL is enough."""
    assert httpx.get(link, **PLAIN).status_code == 200


def test_head_has_the_headers_of_get(link) -> None:
    """HEAD has the headers of GET and no body."""
    head, get = httpx.head(link, **PLAIN), httpx.get(link, **PLAIN)
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert head.headers[name] == get.headers[name]
    assert head.content == b""
    assert int(get.headers["content-length"]) == len(get.content)


def test_an_unchanged_file_is_not_sent_again(link) -> None:
    """If-None-Match with the ETag is a 304, with another one it isn't."""
    etag = httpx.get(link, **PLAIN).headers["etag"]
    for value in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        response = httpx.get(link, headers={"If-None-Match": value}, **PLAIN)
        assert (response.status_code, response.content) == (304, b"")
    response = httpx.get(link, headers={"If-None-Match": '"other"'}, **PLAIN)
    assert response.status_code == 200


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
    """A range request gets a 206 with its part of the file."""
    whole = httpx.get(link, **PLAIN).content
    response = httpx.get(link, headers={"Range": wanted}, **PLAIN)
    assert response.status_code == 206
    assert response.content == whole[part]
    assert response.headers["content-range"].endswith(f"/{len(whole)}")


@pytest.mark.parametrize("wanted", ["bytes=999999999-", "bytes=-0"])
def test_a_range_beyond_the_file_is_a_416(link, wanted) -> None:
    """The response has the file's length."""
    response = httpx.get(link, headers={"Range": wanted}, **PLAIN)
    assert response.status_code == 416
    length = httpx.head(link, **PLAIN).headers["content-length"]
    assert response.headers["content-range"] == f"bytes */{length}"


@pytest.mark.parametrize("wanted", ["bytes=5-3", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "x"])
def test_an_invalid_range_is_ignored(link, wanted) -> None:
    """Anything but a single range of bytes gets the whole file."""
    assert httpx.get(link, headers={"Range": wanted}, **PLAIN).status_code == 200


def test_a_range_of_another_version_is_the_whole_file(link) -> None:
    """If-Range with another ETag gets the whole file."""
    headers = {"Range": "bytes=3-", "If-Range": '"stale"'}
    assert httpx.get(link, headers=headers, **PLAIN).status_code == 200


def test_other_file_names_are_a_404(http, mock, link) -> None:
    """Files of unfinished or unknown tasks, and other names, are 404."""
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
        assert httpx.get(url, **PLAIN).status_code == 404
    assert httpx.post(link, **PLAIN).status_code == 405


def test_making_a_file_does_not_delay_the_api(http, link, monkeypatch) -> None:
    """While a file is made, the API responds."""
    begun, responded, make = threading.Event(), threading.Event(), cache._make

    def wait_and_make(task, index):
        begun.set()
        assert responded.wait(TIME_LIMIT)
        return make(task, index)

    monkeypatch.setattr(cache, "_make", wait_and_make)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(httpx.get, link, trust_env=False, timeout=2 * TIME_LIMIT)
        assert begun.wait(TIME_LIMIT)
        assert http.post(IMAGES[0].path, json=dict(IMAGES[0].example)).status_code == 200
        responded.set()
        assert fetching.result().status_code == 200


def test_a_file_is_made_once(http) -> None:
    """A second request gets the same bytes."""
    link = links(http, VIDEOS[0])[0]
    first = httpx.get(link, **PLAIN)
    again = httpx.get(link, **PLAIN)
    assert first.content == again.content
    assert first.headers["etag"] == again.headers["etag"]


def test_previews_of_the_page_are_not_affected_by_faults(mock, http) -> None:
    """Under `/_mock` a file is served without faults and without a journal entry."""
    path = links(http, IMAGES[0])[0].removeprefix(mock.url)
    headers = {"X-Mock-Fault": "status=503"}
    assert http.get(mock.url + path, headers=headers).status_code == 503
    whole = http.get(f"{mock.url}/_mock{path}", headers=headers)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "image/png")
    assert [*mock.journal][-1].status == 503
