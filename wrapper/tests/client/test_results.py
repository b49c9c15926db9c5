"""A result can be stored, sent, and read without a directory of one's own."""

from __future__ import annotations

import copy
import json
import pickle
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from tests.asgi import served
from wanflow import errors
from wanflow._core.snapshot import Snapshot, parse_snapshot
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import JobState, Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODELS = packaged_catalog().models.values()
MODEL = next(one for one in MODELS if "n" in one.parameters and "size" in one.parameters).name


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock whose tasks end at their first poll."""
    with MockServer(polls=1) as running:
        yield running


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's directory for temporary files, for this test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def client(runner: Any, server: MockServer, api_key: str) -> Any:
    return runner.client(api_key=api_key, base_url=server.base_url)


@pytest.fixture
def result(runner: Any, client: Any) -> Any:
    """The result of two images."""
    return runner.do(client.run, model=MODEL, prompt="a fox", n=2)


def test_a_file_is_read_as_it_is_saved(
    runner: Any, result: Any, tmp_path: Path, temporary: Path
) -> None:
    """In one piece, in chunks, and as an open file; nothing of it stays on the disk."""
    saved = [path.read_bytes() for path in runner.do(result.download, tmp_path / "out")]
    assert len(saved) == 2
    for index, content in enumerate(saved):
        assert runner.do(result.read, index) == content
        chunks = runner.items(result.iter_bytes(index, chunk_size=1000))
        assert b"".join(chunks) == content
        assert {len(chunk) for chunk in chunks[:-1]} <= {1000}
        with runner.do(result.open, index) as file:
            assert len(list(temporary.iterdir())) == 2
            file.seek(10)
            assert file.read() == content[10:]
    assert [path.name for path in temporary.iterdir()] == ["out"]


def first_chunk(chunks: Any) -> Any:
    """Read one chunk, and close the iterator."""

    async def read() -> bytes:
        async for chunk in chunks:
            await chunks.aclose()
            return bytes(chunk)
        return b""

    if hasattr(chunks, "__anext__"):
        return read()
    chunk = next(chunks)
    chunks.close()
    return chunk


def test_reading_that_stops_early_leaves_nothing(runner: Any, result: Any, temporary: Path) -> None:
    """The file goes with the iterator."""
    chunk = runner.do(lambda: first_chunk(result.iter_bytes(chunk_size=10)))
    assert len(chunk) == 10
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("index", [2, -1, 99])
def test_a_file_that_does_not_exist_is_named(
    runner: Any, result: Any, temporary: Path, index: int
) -> None:
    """Before anything is fetched."""
    with pytest.raises(errors.InvalidRequest, match="index must be 0 to 1"):
        runner.do(result.read, index)
    assert list(temporary.iterdir()) == []


def test_a_file_that_cannot_be_fetched_leaves_nothing(
    runner: Any, server: MockServer, result: Any, temporary: Path
) -> None:
    """The error is the one of a download."""
    rule = server.faults.add("status=404", operation="files")
    try:
        with pytest.raises(errors.DownloadFailed):
            runner.do(result.read, timeout=1)
        with pytest.raises(errors.DownloadFailed):
            runner.items(result.iter_bytes(timeout=1))
    finally:
        server.faults.remove(rule.id)
    with pytest.raises(errors.DownloadFailed):
        runner.do(result.open, max_bytes=10)
    assert list(temporary.iterdir()) == []


def test_a_file_that_was_read_is_not_recorded_as_saved(
    runner: Any, server: MockServer, api_key: str, tmp_path: Path
) -> None:
    """Where it is stored is not known here."""
    with Ledger(tmp_path / "ledger.db") as ledger:
        client = runner.client(api_key=api_key, base_url=server.base_url, ledger=ledger)
        result = runner.do(client.run, model=MODEL, prompt="a fox")
        assert runner.do(result.read)
        (job,) = ledger.jobs()
        assert (job.state, job.files) == (JobState.COMPLETED, ())
        assert job.finished


def test_results_are_equal_if_they_say_the_same_of_the_same_task(
    runner: Any, client: Any, result: Any, tmp_path: Path
) -> None:
    """Also a copy, and what another wait returned; with other files, or of another task, not."""
    again = runner.do(client.task(result.task_id).wait)
    for same in (
        copy.copy(result),
        copy.deepcopy(result),
        pickle.loads(pickle.dumps(result)),
        again,
    ):
        assert same == result
        assert hash(same) == hash(result)
        assert len({same, result}) == 1
    other = runner.do(client.run, model=MODEL, prompt="a dog")
    saved = runner.do(client.run, model=MODEL, prompt="a dog", output_dir=tmp_path / "out")
    assert len({result, other, saved}) == 3
    moved = copy.copy(saved)
    moved._paths = [tmp_path / "elsewhere.png"]
    assert moved != saved
    assert result != result.task_id


def test_a_result_is_pickled_without_its_client(
    runner: Any, client: Any, result: Any, api_key: str
) -> None:
    """All that it says is kept; the key is not in it, and what needs a client says so."""
    data = pickle.dumps(result)
    assert api_key.encode() not in data
    again = pickle.loads(data)
    assert again.to_dict() == result.to_dict()
    assert (again.task_id, again.urls, again.usage) == (result.task_id, result.urls, result.usage)
    assert (again.expires_at, again.raw) == (result.expires_at, result.raw)
    assert pickle.loads(pickle.dumps(again)).to_dict() == result.to_dict()
    with pytest.raises(errors.ConfigurationError, match="has no client"):
        runner.do(again.download, "out")
    with pytest.raises(errors.ConfigurationError, match="has no client"):
        runner.do(again.read)
    new = runner.do(client.task(again.task_id).wait)
    assert len(runner.do(new.read)) > 0


def test_snapshots_and_results_are_json(runner: Any, client: Any, tmp_path: Path) -> None:
    """Of a task that runs, of one that is done, and of one that failed."""
    result = runner.do(client.run, model=MODEL, prompt="a fox", output_dir=tmp_path / "out")
    task = client.task(result.task_id)
    runner.do(task.refresh)
    found = json.loads(json.dumps(result.to_dict()))
    assert found.pop("paths") == [str(path) for path in result.paths]
    assert found == json.loads(json.dumps(task.snapshot.to_dict()))
    assert (found["id"], found["urls"], found["done"]) == (result.task_id, result.urls, True)
    assert found["links_expire_at"] == result.expires_at.timestamp()
    body = {"id": "task-1", "status": "failed", "error": {"code": 4711, "message": "no"}}
    failed = parse_snapshot(json.dumps(body).encode()).to_dict()
    assert failed["failure"] == {"code": "4711", "message": "no"}
    assert json.loads(json.dumps(failed))["raw"] == body


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_json_does_not_have_is_null(number: str) -> None:
    """A strict reader takes what is made of any response, and the other numbers are kept."""
    body = f'{{"id": "t", "status": "pending", "usage": {{"a": {number}, "b": [{number}, 1.5]}}}}'
    found = parse_snapshot(body.encode()).to_dict()
    assert found["usage"] == {"a": None, "b": [None, 1.5]}
    json.dumps(found, allow_nan=False)


FORMS: dict[str, tuple[Any, Any]] = {
    "unannotated": (lambda kind: None, lambda value: value),
    "annotated": (lambda kind: kind, lambda value: value),
    "optional": (lambda kind: kind | None, lambda value: value),
    "list": (lambda kind: list[kind], lambda value: [value]),
}


@pytest.mark.parametrize(("annotation", "form"), FORMS.values(), ids=FORMS)
def test_a_route_of_fastapi_returns_snapshots_and_results(
    annotation: Any, form: Any, runner: Any, client: Any, result: Any
) -> None:
    """As they are; its documentation, too, is made with their type as the annotation."""
    task = client.task(result.task_id)
    runner.do(task.refresh)
    for value in (result, task.snapshot):
        app = FastAPI()
        app.get("/", response_model=annotation(type(value)))(returns(form(value)))
        with served(app) as http:
            response = http("GET", "/")
            assert (response.status_code, response.json()) == (200, form(value.to_dict()))
            assert http("GET", "/openapi.json").status_code == 200


def returns(value: Any) -> Any:
    return lambda: value


def test_a_snapshots_dict_has_all_of_it() -> None:
    """A field that is added later has its place in it; headers may have cookies."""
    names = {one.name for one in Snapshot.__attrs_attrs__} - {"submitted", "headers"}
    assert names <= Snapshot("task-1", "pending").to_dict().keys()
