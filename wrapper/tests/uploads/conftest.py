"""A real S3 server on loopback, servers that record what they get, and every kind of client."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from PIL import Image

from tests.client.clients import RUNNERS
from tests.uploads.recording_server import RecordingServer
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.mock.gateway.accounts import Account

ACCESS, SECRET, BUCKET = "AKIAWANFLOWTEST", "a-secret-of-the-storage", "inputs"


@pytest.fixture(params=[*RUNNERS])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The sync client, and the async one under asyncio, trio and aiohttp."""
    with RUNNERS[request.param]() as runner:
        yield runner


@pytest.fixture(scope="session")
def server() -> Iterator[MockServer]:
    """A mock that fetches the links of files, and ends a task at its first poll."""
    with MockServer(polls=1, fetch_files=True) as running:
        yield running


@pytest.fixture(scope="session")
def quick() -> Iterator[MockServer]:
    """A mock whose tasks are done when they are submitted."""
    with MockServer(polls=0) as running:
        yield running


@pytest.fixture
def account(server: MockServer, api_key: str) -> Account:
    """The test's account on the mock."""
    return server.accounts.for_key(api_key)


@pytest.fixture
def submissions(server: MockServer, account: Account) -> Any:
    """Return the number of tasks that the test has submitted."""
    return lambda: account.submitted


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of an S3 server with an empty bucket."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the S3 server; the environment has its address and credentials."""
    use_s3(monkeypatch, s3_url)
    made = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
    )
    with closing(made):
        made.create_bucket(Bucket=BUCKET)
        yield made
        for name in object_names(made):
            made.delete_object(Bucket=BUCKET, Key=name)
        made.delete_bucket(Bucket=BUCKET)


def use_s3(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Set the environment variables of Amazon's own tools."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)


def object_names(s3: Any) -> list[str]:
    """The names of the objects in the bucket."""
    return [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


@pytest.fixture
def recording() -> Iterator[RecordingServer]:
    """A storage that accepts everything and records it."""
    with RecordingServer() as running:
        yield running


def image(tmp_path: Path, name: str = "cat.png", shade: int = 0) -> Path:
    """A file that every model of the spec takes."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes(shade))
    return path


def image_bytes(shade: int = 0, size: tuple[int, int] = (400, 400), **options: Any) -> bytes:
    """An image whose pixels are all the same."""
    out = io.BytesIO()
    Image.new(options.pop("mode", "RGB"), size, (shade, 0, 0)).save(out, options.pop("kind", "PNG"))
    return out.getvalue()
