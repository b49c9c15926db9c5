"""Uploads to object storage: a real S3 server, and recorded requests of all providers."""

from __future__ import annotations

import base64
import json
import re
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.uploads.conftest import ACCESS, BUCKET, SECRET, image, image_bytes, object_names, use_s3
from tests.uploads.test_file_parameters import PARAMETERS, request_of
from wanflow import Ledger, TaskFailed
from wanflow._core.link_expiry import expiry_of
from wanflow.errors import ConfigurationError, UploadFailed
from wanflow.uploads import FileUpload, MockUploader, StorageUploader, open_uploader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.uploads.recording_server import RecordingServer
    from wanflow.mock import MockServer

MODEL, NAME = PARAMETERS[0]
TWO_IMAGES = next(
    (model, name) for model, name in PARAMETERS if model.parameters[name].get("maxItems") == 2
)


@pytest.fixture
def client(runner: Any, server: MockServer, api_key: str) -> Any:
    """A client with an S3 uploader, of a mock that fetches its links."""
    return runner.client(
        api_key=api_key, base_url=server.base_url, uploader=f"s3://{BUCKET}/some/prefix"
    )


def test_a_presigned_link_is_fetched_and_the_task_completes(
    client: Any, runner: Any, s3: Any, tmp_path: Path
) -> None:
    """The object has the file's bytes and type, and a name without path or user."""
    path = image(tmp_path, "secret-name.png")
    assert runner.do(client.run, request_of(MODEL, NAME, path, tmp_path), timeout=60).urls
    (name,) = object_names(s3)
    assert re.fullmatch(r"some/prefix/[0-9a-f]{64}\.png", name)
    stored = s3.get_object(Bucket=BUCKET, Key=name)
    assert stored["Body"].read() == path.read_bytes()
    assert stored["ContentType"] == "image/png"


def test_the_mock_checks_what_the_link_serves(
    client: Any, runner: Any, s3: Any, tmp_path: Path
) -> None:
    """A file that violates the spec is found by the fetch: validate=False doesn't check it."""
    from pathlib import Path as APath

    (tmp_path / "small.png").write_bytes(image_bytes(size=(9, 9)))
    body = request_of(MODEL, NAME, APath(tmp_path / "small.png"), tmp_path)
    with pytest.raises(TaskFailed, match="9x9 pixels") as failed:
        runner.do(client.run, body, validate=False, timeout=60)
    assert failed.value.code == "image_dimension_mismatch"


def test_equal_files_are_uploaded_once(
    runner: Any,
    server: MockServer,
    api_key: str,
    recording: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """In one request and in many, under any path, also concurrently: one PUT for each content."""
    use_s3(monkeypatch, recording.url)
    model, name = TWO_IMAGES
    with Ledger(tmp_path / "l.db") as ledger:
        options = {"api_key": api_key, "base_url": server.base_url, "ledger": ledger}
        client = runner.client(uploader=f"s3://{BUCKET}/p", **options)
        paths = [image(tmp_path, f"{at}/x.png", at % 2) for at in range(6)]
        jobs = [{**request_of(model, name, None, tmp_path), name: paths[:2]} for _ in range(12)]
        runner.do(client.batch, jobs, tmp_path / "out", timeout=30)
        names = [one.path for one in recording.puts()]
    assert len(names) == len(set(names)) == 2


def test_an_object_of_another_process_is_not_uploaded_again(
    server: MockServer, api_key: str, s3: Any, tmp_path: Path
) -> None:
    """The storage is asked first; an object of the same name and another size is replaced."""
    file = FileUpload.of(image_bytes())
    StorageUploader(f"s3://{BUCKET}").upload(file)
    first = s3.head_object(Bucket=BUCKET, Key=file.name)["LastModified"]
    s3.put_object(Bucket=BUCKET, Key=f"marker-{file.name}", Body=b"")
    versions = s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
    StorageUploader(f"s3://{BUCKET}").upload(file)
    assert s3.head_object(Bucket=BUCKET, Key=file.name)["LastModified"] == first
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == versions
    s3.put_object(Bucket=BUCKET, Key=file.name, Body=b"a part")
    StorageUploader(f"s3://{BUCKET}").upload(file)
    assert s3.head_object(Bucket=BUCKET, Key=file.name)["ContentLength"] == len(file.content)


def test_the_api_key_is_not_sent_to_the_storage(
    runner: Any,
    server: MockServer,
    api_key: str,
    recording: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """In no header, path or body, of S3 and of the mock's upload."""
    use_s3(monkeypatch, recording.url)
    body = request_of(MODEL, NAME, image(tmp_path), tmp_path)
    client = runner.client(api_key=api_key, base_url=server.base_url, uploader=f"s3://{BUCKET}")
    runner.do(client.submit, body)
    MockUploader(recording.url + "/apiv1").upload(FileUpload.of(image_bytes()))
    assert len(recording.puts()) == 2
    assert all(api_key not in repr(one) for one in recording.requests)
    assert all(str(tmp_path) not in repr(one) for one in recording.requests)


LEAKS = ("X-Amz-Signature", SECRET, ACCESS)


def failing(kind: str, recording: RecordingServer, s3_url: str, monkeypatch: Any) -> None:
    """Set up a storage that fails."""
    match kind:
        case "no bucket":
            use_s3(monkeypatch, s3_url)
        case "connection breaks":
            recording.broken = True
            use_s3(monkeypatch, recording.url)
        case "nothing listens":
            use_s3(monkeypatch, "http://127.0.0.1:1")


@pytest.mark.parametrize("kind", ["no bucket", "connection breaks", "nothing listens"])
def test_a_failed_upload_is_one_error_and_nothing_is_charged(
    kind: str,
    runner: Any,
    server: MockServer,
    api_key: str,
    recording: RecordingServer,
    s3_url: str,
    submissions: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It says that nothing was sent, and has no credential and no link, in its traceback too."""
    failing(kind, recording, s3_url, monkeypatch)
    with Ledger(tmp_path / "l.db") as ledger:
        client = runner.client(
            api_key=api_key,
            base_url=server.base_url,
            uploader="s3://no-such-bucket/p",
            ledger=ledger,
        )
        body = request_of(MODEL, NAME, image(tmp_path), tmp_path)
        with pytest.raises(UploadFailed, match=r"no-such-bucket/p failed.*nothing was ch") as e:
            runner.do(client.submit, body)
        assert ledger.jobs() == []
    assert submissions() == 0
    shown = "".join(traceback.format_exception(e.value)) + caplog.text + repr(e.value)
    assert "\n" not in str(e.value)
    assert not any(secret in shown for secret in LEAKS)


def test_secrets_are_in_no_text(
    runner: Any, server: MockServer, api_key: str, s3: Any, tmp_path: Path, caplog: Any
) -> None:
    """Not in the log, in reprs, or in the ledger once the outcome is known."""
    caplog.set_level("DEBUG")
    with Ledger(tmp_path / "l.db") as ledger:
        options = {"api_key": api_key, "base_url": server.base_url, "ledger": ledger}
        client = runner.client(uploader=f"s3://{BUCKET}/p", **options)
        runner.do(client.run, request_of(MODEL, NAME, image(tmp_path), tmp_path), timeout=60)
        (job,) = ledger.jobs()
    assert job.uploads == {}
    assert job.body is not None
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", job.body[NAME][0])
    uploader = StorageUploader(f"s3://{BUCKET}/p")
    link = uploader.upload(FileUpload.of(image_bytes()))
    assert "X-Amz-Signature" in link.url
    # The log of the storage itself, which runs in this process, has the links that it served.
    log = "\n".join(one.getMessage() for one in caplog.records if one.name == "wanflow")
    shown = log + repr([uploader, link, job, client, FileUpload.of(image_bytes())])
    assert "uploaded " in log
    assert not any(secret in shown for secret in LEAKS)
    assert "cat.png" not in str(job.body) + link.url


def gcs_account(url: str) -> str:
    """A service account for a server on loopback, with a key of its own."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "private_key": key.decode(),
            "private_key_id": "1",
            "client_email": "a@b.example",
            "gcs_base_url": url,
        }
    )


PROVIDERS = {
    "s3": (lambda url: {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"}),
    "gs": (
        lambda url: {"GOOGLE_SERVICE_ACCOUNT_KEY": gcs_account(url), "GOOGLE_ALLOW_HTTP": "true"}
    ),
    "az": (
        lambda url: {
            "AZURE_STORAGE_ACCOUNT_NAME": "account",
            "AZURE_STORAGE_ACCOUNT_KEY": base64.b64encode(SECRET.encode()).decode(),
            "AZURE_STORAGE_ENDPOINT": url,
            "AZURE_ALLOW_HTTP": "true",
        }
    ),
}


@pytest.mark.parametrize("scheme", PROVIDERS)
def test_each_provider_stores_the_file_in_one_request_and_signs_a_link(
    scheme: str, recording: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that only records stands for the provider; the link lives as long as was asked."""
    use_s3(monkeypatch, recording.url)
    for name, value in PROVIDERS[scheme](recording.url).items():
        monkeypatch.setenv(name, value)
    file = FileUpload.of(image_bytes())
    link = StorageUploader(f"{scheme}://inputs/some/prefix", link_lifetime=7200).upload(file)
    (put,) = recording.puts()
    assert put.body == file.content
    assert file.sha256 in put.path
    assert "image/png" in put.headers
    assert file.name in urlsplit(link.url).path
    assert link.expires_at is not None
    assert expiry_of(link.url) == pytest.approx(link.expires_at, abs=5)
    assert SECRET not in link.url


@pytest.mark.parametrize(
    "name",
    [
        "",
        "s3://",
        "s3:///x",
        "ftp://a/b",
        "http://key:secret@host/b",
        "s3://k:s@b/x",
        "s3://b?x=1",
        "s3://b",
    ],
)
def test_a_name_that_is_no_uploader_is_refused_without_showing_it(name: str) -> None:
    """It may have a password in it."""
    with pytest.raises(ConfigurationError, match=r"must be s3://BUCKET.* 2 to 255 l") as refused:
        open_uploader(name, "https://api.example")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("seconds", [0, 60, 8 * 24 * 3600, float("nan")])
def test_a_link_lives_from_an_hour_to_seven_days(seconds: float) -> None:
    """Longer is impossible with S3, and shorter could end before the task."""
    with pytest.raises(ConfigurationError, match="link_lifetime must be"):
        StorageUploader("s3://bucket", link_lifetime=seconds)


def test_a_missing_mock_is_named(recording: RecordingServer) -> None:
    """A server without uploads, and none at all."""
    with pytest.raises(UploadFailed, match=r":1 failed: Connection refused; nothing"):
        MockUploader("http://127.0.0.1:1/apiv1").upload(FileUpload.of(b"x"))
    recording.broken = True
    with pytest.raises(UploadFailed, match="nothing was sent"):
        MockUploader(recording.url).upload(FileUpload.of(b"xx"))
