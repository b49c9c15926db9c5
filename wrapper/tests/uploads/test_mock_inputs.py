"""The mock takes uploads, and checks the files that requests name by the documents."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.client.test_local_files import mp3
from tests.plain_http import PLAIN
from tests.uploads.conftest import image_bytes
from tests.uploads.test_file_parameters import PARAMETERS, request_of
from wanflow import Client, TaskFailed
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE
from wanflow.mock.http.request import MAX_UPLOAD_SIZE
from wanflow.uploads import FileUpload, MockUploader

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow.mock import MockServer

IMAGES = [(m, n) for m, n in PARAMETERS if IMAGE_FILE in m.parameters[n]]
AUDIO = [(m, n) for m, n in PARAMETERS if AUDIO_FILE in m.parameters[n]]
BROKEN_IMAGES = {
    "no image": (lambda rule: b"<html>", "image_processing_error", "no image that can be read"),
    "gif": (lambda rule: image_bytes(kind="GIF"), "image_processing_error", "it is gif"),
    "alpha": (lambda rule: image_bytes(mode="RGBA"), "image_processing_error", "alpha channel"),
    "too large": (
        lambda rule: image_bytes() + bytes(rule["maximumBytes"]),
        "image_processing_error",
        "are allowed",
    ),
    "too small": (
        lambda rule: image_bytes(size=(rule["minimumSide"] - 1, 400)),
        "image_dimension_mismatch",
        "sides of",
    ),
    "too wide": (
        lambda rule: image_bytes(size=(rule["maximumSide"] + 1, 400)),
        "image_dimension_mismatch",
        "sides of",
    ),
}
BROKEN_AUDIO = {
    "no audio": (b"RIFF", "no audio"),
    "too short": (mp3(1), "it plays"),
    "too long": (mp3(40), "it plays"),
}


def run(mock: MockServer, model: Model, name: str, content: bytes) -> Any:
    """Run a task with an uploaded file that the client doesn't check."""
    link = MockUploader(mock.base_url).upload(FileUpload.of(content)).url
    with Client(mock.api_key, mock.base_url) as client:
        return client.run(request_of(model, name, link, None), validate=False, timeout=60)


@pytest.mark.parametrize("kind", BROKEN_IMAGES)
@pytest.mark.parametrize(("model", "name"), IMAGES, ids=[model.name for model, _ in IMAGES])
def test_a_task_with_an_invalid_image_fails_as_documented(
    model: Model, name: str, kind: str, quick: MockServer
) -> None:
    """With the code for its kind of fault, and a message that says what is wrong."""
    make, code, message = BROKEN_IMAGES[kind]
    with pytest.raises(TaskFailed, match=message) as failed:
        run(quick, model, name, make(model.parameters[name][IMAGE_FILE]))
    assert failed.value.code == code
    assert f"{name}[0]: " in str(failed.value)


@pytest.mark.parametrize("kind", BROKEN_AUDIO)
def test_a_task_with_invalid_audio_fails(kind: str, quick: MockServer) -> None:
    """With invalid_parameters: there is no code for audio."""
    model, name = AUDIO[0]
    content, message = BROKEN_AUDIO[kind]
    with pytest.raises(TaskFailed, match=message) as failed:
        run(quick, model, name, content)
    assert failed.value.code == "invalid_parameters"


@pytest.mark.parametrize(("model", "name"), PARAMETERS)
def test_a_valid_file_passes(model: Model, name: str, quick: MockServer) -> None:
    """For every parameter."""
    assert run(quick, model, name, mp3(5) if (model, name) in AUDIO else image_bytes()).urls


def test_a_link_to_a_file_that_was_not_uploaded_fails(quick: MockServer) -> None:
    """A restarted mock has forgotten it."""
    model, name = IMAGES[0]
    link = f"{quick.url}/_mock/uploads/{'0' * 64}.png"
    with Client(quick.api_key, quick.base_url) as client:
        with pytest.raises(TaskFailed, match="wasn't uploaded"):
            client.run(request_of(model, name, link, None), validate=False, timeout=60)
        elsewhere = request_of(model, name, "https://elsewhere.example/a.png", None)
        assert client.run(elsewhere, validate=False, timeout=60).urls, "other links are not fetched"


def test_links_are_fetched_only_if_the_option_says_so(server: MockServer) -> None:
    """A link that leads nowhere then fails the task."""
    model, name = IMAGES[0]
    with Client(server.api_key, server.base_url) as client:
        for link in ("http://127.0.0.1:1/a.png", "http://10.0.0.1/a.png", f"{server.url}/none.png"):
            with pytest.raises(TaskFailed, match="can't be fetched"):
                client.run(request_of(model, name, link, None), validate=False, timeout=60)


def test_an_upload_is_served_under_its_digest_only(quick: MockServer) -> None:
    """Another name, a page of another origin, and too many bytes are refused."""
    content = image_bytes(5)
    name = f"{hashlib.sha256(content).hexdigest()}.png"
    url = f"{quick.url}/_mock/uploads/"
    with httpx.Client(**PLAIN) as http:
        assert http.put(url + name, content=content).status_code == 201
        got = http.get(url + name)
        assert (got.content, got.status_code) == (content, 200)
        assert http.head(url + name).headers["content-length"] == str(len(content))
        for bad in ("x.png", "..%2f" + name, name.upper(), "0" * 64 + ".png"):
            assert http.put(url + bad, content=content).status_code == 400
        assert http.put(url + name, content=content, headers={"host": "evil"}).status_code != 201
        assert http.post(url + name, content=content).status_code == 405
        assert http.get(url + "0" * 64 + ".png").status_code == 404
        large = http.put(url + name, content=bytes(MAX_UPLOAD_SIZE + 1))
        assert large.status_code == 413


def test_the_oldest_uploads_are_forgotten() -> None:
    """Beyond a number of bytes."""
    from wanflow.mock.files.inputs import InputFiles

    files = InputFiles(max_bytes=250)
    names = []
    for shade in range(4):
        content = bytes([shade]) * 100
        names.append(f"{hashlib.sha256(content).hexdigest()}.bin")
        files.put(names[-1], content, b"x/y")
    assert [name in files.files() for name in names] == [False, False, True, True]
