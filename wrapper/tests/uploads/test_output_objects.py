"""Files that are saved in object storage: a real S3 server, with sync and async clients."""

from __future__ import annotations

import hashlib
import json
import threading
import traceback
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from tests.any_model import model_name
from tests.cli.conftest import process, wanflow
from tests.client.clients import RUNNERS
from tests.client.fast_clock import with_fast_clock
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from tests.uploads.conftest import ACCESS, BUCKET, SECRET, object_names, use_s3
from tests.uploads.storage_errors import ERRORS, ErrorServer, silent_server
from wanflow import AsyncClient, Ledger
from wanflow.errors import ConfigurationError, DownloadFailed, LinkExpired, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.helpers import CommandResult
    from tests.uploads.recording_server import RecordingServer
    from wanflow.mock import MockServer

__all__ = ["process", "wanflow"]

OUT = f"s3://{BUCKET}/some/run-1"
PICTURE = {"model": model_name("image"), "prompt": "a lake"}


@pytest.fixture(params=["sync", "asyncio"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A sync client, and an async one."""
    with RUNNERS[request.param]() as runner:
        yield runner


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def environment(quick: MockServer, api_key: str, tmp_path: Path) -> dict[str, str]:
    """The environment variables of a user."""
    return {
        "WANFLOW_BASE_URL": quick.base_url,
        "WANFLOW_API_KEY": api_key,
        "WANFLOW_LEDGER": str(tmp_path / "ledger.db"),
    }


@pytest.fixture
def client(runner: Any, quick: MockServer, api_key: str, ledger: Ledger) -> Any:
    """A client with a ledger, of a mock whose tasks are done when they are submitted."""
    return runner.client(api_key=api_key, base_url=quick.base_url, ledger=ledger)


def body_of(s3: Any, url: str) -> bytes:
    """What the storage has under a URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def test_a_run_stores_its_files_and_the_ledger_has_their_urls(
    client: Any, runner: Any, s3: Any, ledger: Ledger, tmp_path: Path
) -> None:
    """An object has the file's bytes and type; nothing else is left in the bucket."""
    result = runner.do(client.run, PICTURE, output_dir=OUT)
    local = runner.do(result.download, tmp_path / "local")
    (path,) = result.paths
    assert str(path) == f"{OUT}/{local[0].name}"
    assert object_names(s3) == [f"some/run-1/{local[0].name}"]
    assert body_of(s3, str(path)) == local[0].read_bytes()
    head = s3.head_object(Bucket=BUCKET, Key=object_names(s3)[0])
    assert head["ContentType"].startswith("image/")
    assert result.to_dict()["paths"] == [str(path)]


def test_the_record_of_an_object_is_that_of_a_local_file(
    client: Any, runner: Any, s3: Any, ledger: Ledger, tmp_path: Path
) -> None:
    """Size and checksum are those of the bytes, and its directory is the URL, also read again."""
    (path,) = runner.do(client.run, PICTURE, output_dir=OUT).paths
    with Ledger(ledger.path) as again:
        (job,) = again.jobs()
    content = body_of(s3, str(path))
    (file,) = job.files
    assert (file.path, str(file.path)) == (path, str(path))
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert str(job.output_dir) == OUT
    assert job.state == "saved"


def test_what_was_not_saved_is_saved_by_a_resume_where_it_was_wanted(
    client: Any,
    runner: Any,
    s3: Any,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    submissions: Any,
) -> None:
    """The storage fails once; the directory is recorded as a URL, and nothing is paid again."""
    with ErrorServer(503, "SlowDown", allowed=2) as broken, monkeypatch.context() as patch:
        use_s3(patch, broken.url)
        with pytest.raises(StorageFailed):
            runner.do(client.run, PICTURE, output_dir=OUT)
    (job,) = ledger.jobs()
    assert (str(job.output_dir), job.state) == (OUT, "completed")
    report = runner.do(client.resume_all)
    assert [one.error for one in getattr(report, "results", report)] == [None]
    (job,) = ledger.jobs()
    assert object_names(s3) == [f"some/run-1/{job.files[0].path.name}"]


def test_a_second_download_is_the_same_object_and_sends_nothing(
    client: Any, runner: Any, s3: Any, ledger: Ledger
) -> None:
    """The storage counts versions: there is one."""
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    result = runner.do(client.run, PICTURE)
    first = runner.do(result.download, OUT)
    assert runner.do(result.download, OUT) == first
    assert runner.do(result.download, OUT, name="{model}") != first
    found = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert len(found) == len({one["Key"] for one in found}) == 2
    for one in found:
        s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])


def test_files_of_one_name_and_other_content_are_both_kept(
    client: Any, runner: Any, s3: Any, ledger: Ledger
) -> None:
    """As in a directory: the second has its task's digest in its name."""
    for prompt in ("a lake", "a dog"):
        result = runner.do(client.run, {**PICTURE, "prompt": prompt})
        runner.do(result.download, OUT, name="same name")
    names = sorted(one.removeprefix("some/run-1/") for one in object_names(s3))
    assert len(names) == 2
    assert names[0].partition(".")[0] == "same name"
    assert names[1].startswith("same name~")


def test_a_broken_stream_leaves_nothing(client: Any, runner: Any, s3: Any, quick: Any) -> None:
    """No object, and no upload that was begun."""
    result = runner.do(client.run, PICTURE)
    with pytest.raises(DownloadFailed):
        runner.do(result.download, OUT, max_bytes=100)
    assert object_names(s3) == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads") is None


PAGE = b"<!doctype html><html><title>Sign in</title></html>"
# What a file server sends in place of a file, or of all of it.
NO_FILES = {
    "cut": responds(http(200, b"\x89PNG" + bytes(90_000), length=200_000), keep=False),
    "page": responds(http(200, PAGE, "Content-Type: image/png")),
    "missing": responds(http(404, b"")),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_whole_file_never_becomes_an_object(kind: str, runner: Any, s3: Any) -> None:
    """It is checked as a local file is, before the storage gets anything."""
    with MisbehavingServer(get=[NO_FILES[kind]]) as files:
        done = task("completed", results=[f"{files.url}/a.png"])
        with MisbehavingServer(get=[done]) as server:
            client = with_fast_clock(runner.client(api_key="k", base_url=server.url))
            result = runner.do(client.task(ID).wait, 10)
        with pytest.raises(DownloadFailed) as failed:
            runner.do(result.download, OUT)
    assert not isinstance(failed.value, StorageFailed)
    assert object_names(s3) == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads") is None


def test_a_cancellation_does_not_wait_for_the_storage(
    quick: MockServer, api_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is still open when the cancelled task has ended."""

    async def cancel(url: str, accepted: threading.Event) -> list[str]:
        async with AsyncClient(api_key, quick.base_url) as client:
            result = await client.run(PICTURE)
            use_s3(monkeypatch, url)
            async with anyio.create_task_group() as group:
                group.start_soon(result.download, OUT)
                await anyio.to_thread.run_sync(accepted.wait)
                group.cancel_scope.cancel()
            return [one.name for one in threading.enumerate()]

    with silent_server() as (url, accepted):
        assert "wanflow-abandonable" in anyio.run(cancel, url, accepted)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_unusable_storage_is_one_sentence_before_anything_is_paid(
    kind: str,
    client: Any,
    runner: Any,
    ledger: Ledger,
    s3_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It names the directory and what to do, and has no credential, in its traceback too."""
    status, code, sentence = ERRORS[kind]
    with ErrorServer(status, code) as server:
        use_s3(monkeypatch, server.url)
        with pytest.raises(StorageFailed, match=sentence) as failed:
            runner.do(client.run, PICTURE, output_dir=OUT)
    assert str(failed.value).startswith(f"{OUT} can't be written: ")
    assert str(failed.value).endswith("; nothing was sent")
    assert ledger.jobs() == []
    shown = "".join(traceback.format_exception(failed.value)) + caplog.text
    assert "\n" not in str(failed.value)
    assert not any(secret in shown for secret in (SECRET, ACCESS, "X-Amz"))


def test_an_endpoint_without_tls_names_the_variable_that_allows_it(
    client: Any, runner: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error before anything is paid, and has no URL but that of the directory."""
    use_s3(monkeypatch, s3_url)
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(StorageFailed, match="has no TLS, which needs AWS_ALLOW_HTTP=true in the"):
        runner.do(client.run, PICTURE, output_dir=OUT)


@pytest.mark.parametrize("kind", ERRORS)
def test_a_storage_that_fails_later_names_the_object_and_keeps_the_task(
    kind: str, client: Any, runner: Any, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result stays valid, so the error has the task's id."""
    status, code, sentence = ERRORS[kind]
    result = runner.do(client.run, PICTURE)
    with ErrorServer(status, code) as server:
        use_s3(monkeypatch, server.url)
        with pytest.raises(StorageFailed, match=sentence) as failed:
            runner.do(result.download, OUT)
    assert failed.value.task_id == result.task_id
    assert str(failed.value).startswith(f"{failed.value.url} can't be stored: ")
    assert not isinstance(failed.value, LinkExpired)


URLS_OF_NO_STORAGE = (
    *("s3://", "s3://k:secret@b/x", "s3://bucket/a?b=secret", "s3://b b", "ftp://secret/x"),
    *("s3://bucket/../x", "https://secret.example/x", "S3://bucket/secret", "file:///secret"),
)


def test_a_url_that_is_no_storage_is_refused_without_showing_it(
    client: Any, runner: Any, ledger: Ledger
) -> None:
    """It may have a password in it; it isn't taken as a directory's name either."""
    result = runner.do(client.run, PICTURE)
    for url in URLS_OF_NO_STORAGE:
        for method, *given in ((client.batch, [PICTURE]), (result.download,)):
            with pytest.raises(ConfigurationError, match="or s3://BUCKET/PREFIX") as refused:
                runner.do(method, *given, url)
            assert "secret" not in str(refused.value)
        with pytest.raises(ConfigurationError, match="or s3://BUCKET/PREFIX"):
            runner.do(client.run, PICTURE, output_dir=url)
    assert len(ledger.jobs()) == 1


def test_the_api_key_is_not_sent_to_the_storage(
    runner: Any,
    quick: MockServer,
    api_key: str,
    recording: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In no header, path or body."""
    use_s3(monkeypatch, recording.url)
    client = runner.client(api_key=api_key, base_url=quick.base_url)
    runner.do(client.run, PICTURE, output_dir=OUT)
    assert len(recording.puts()) == 2  # the check, and the file
    assert all(api_key not in repr(one) for one in recording.requests)


def test_commands_take_a_url_and_print_one(wanflow: Callable[..., CommandResult], s3: Any) -> None:
    """`run`, `download`, and what the ledger shows; each option's name means the same."""
    done = wanflow("run", PICTURE["model"], "--prompt", "a lake", "--out", OUT)
    assert (done.code, done.err.count("Traceback")) == (0, 0), done.err
    url = done.out.strip().splitlines()[-1]
    assert url.startswith(f"{OUT}/")
    assert body_of(s3, url)
    task_id = url.rpartition("/")[2].partition(".")[0]
    again = wanflow("download", task_id, "--output-dir", OUT)
    assert again.out.strip().splitlines()[-1] == url
    shown = wanflow("ledger", "show", task_id)
    assert url in shown.out
    exported = wanflow("ledger", "export")
    (line,) = exported.out.splitlines()
    assert json.loads(line)["files"][0]["path"] == url
    assert json.loads(line)["output_dir"] == OUT


def test_a_failed_storage_is_one_line_and_exit_code_18(
    wanflow: Callable[..., CommandResult],
    quick: MockServer,
    api_key: str,
    s3_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also as JSON; nothing was sent."""
    use_s3(monkeypatch, s3_url)
    request = ("run", PICTURE["model"], "--prompt", "a lake", "-o", "s3://no-such-bucket/x")
    done = wanflow(*request, "--json")
    assert done.code == 18
    (event,) = [one for one in done.events if one["event"] == "error"]
    assert event["kind"] == "storage_failed"
    assert "there is no such bucket" in event["message"]
    assert len(done.err.strip().splitlines()) == 1
    assert quick.accounts.for_key(api_key).submitted == 0


def test_a_file_that_is_not_stored_names_the_command_that_stores_it(
    wanflow: Callable[..., CommandResult], s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the URL as the user gave it; the command does so."""
    with ErrorServer(400, "ExpiredToken", allowed=2) as broken, monkeypatch.context() as patch:
        use_s3(patch, broken.url)
        failed = wanflow("run", PICTURE["model"], "--prompt", "a lake", "-o", OUT)
    assert failed.code == 18
    command = failed.err.strip().splitlines()[-1].split()
    assert command[:2] == ["wanflow", "download"]
    assert command[3:] == ["-o", OUT]
    done = wanflow(*command[1:])
    assert done.code == 0, done.err
    assert body_of(s3, done.out.strip().splitlines()[-1])


def test_agents_save_in_directories_only(wanflow: Callable[..., CommandResult]) -> None:
    """They get paths, and small pictures, of files that are there."""
    refused = wanflow("mcp", "-o", OUT, "--max-credits", "1")
    assert refused.code == 2
    assert "must be a directory of this machine" in refused.err
