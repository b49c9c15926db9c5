"""Parts of files that an earlier run left: a batch goes on with them, and asks once for all."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from wanflow._core.effects import ReadClock, Response, RunBlocking, StreamDownload, TimePoint
from wanflow._core.file_names import file_stem
from wanflow._flows.download import DownloadJob, download, keep_path
from wanflow._runtime.flow_run import FlowRun
from wanflow._storage import storage
from wanflow._storage.part_file import PartFile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.conftest import BatchRunner
    from wanflow.ledger import Ledger
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account

LIMIT = 1_000_000
ID = "task-unified-1756817821-abcdefgh"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def test_a_batch_goes_on_with_a_part_that_an_earlier_run_left(
    run_batch: BatchRunner,
    model: str,
    ledger: Ledger,
    server: MockServer,
    account: Account,
    tmp_path: Path,
) -> None:
    """What is on the disk isn't fetched again: a byte that was changed there stays changed."""
    rule = server.faults.add("status=404", account=account, operation="files")
    run_batch([{"model": model, "prompt": "a fox"}])
    server.faults.remove(rule.id)
    (job,) = ledger.jobs()
    assert job.task_id is not None
    with urllib.request.urlopen(job.links[0]) as response:
        whole, headers = response.read(), {k.lower(): v for k, v in response.headers.items()}
    half = bytearray(whole[: len(whole) // 2])
    half[-1] ^= 1
    left = PartFile(tmp_path / "out", file_stem(job.task_id, 0, 1), LIMIT)
    assert left.start(Response(200, headers, b""))
    left.write(bytes(half))
    left.suspend()
    report = run_batch([{"model": model, "prompt": "a fox"}])
    (file,) = report.results[0].files
    assert file.path.read_bytes() == bytes(half) + whole[len(half) :]


def test_a_batch_asks_once_for_parts_and_not_for_each_file(
    run_batch: BatchRunner, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where there is one, each file asks for its own."""
    asked: list[PartFile] = []
    resume = PartFile.resume

    def asking(part: PartFile) -> None:
        asked.append(part)
        resume(part)

    monkeypatch.setattr(PartFile, "resume", asking)
    assert run_batch([{"model": model, "prompt": "a fox"}]).complete
    assert asked == []
    (tmp_path / "out" / ".other.part").touch()
    assert run_batch([{"model": model, "prompt": "an owl"}]).complete
    assert len(asked) == 1


def blocking_calls(folder: Path, *, fresh: bool) -> list[str]:
    """Return the functions that a download has called in a thread."""
    url = "https://files.example/a.png"
    job = DownloadJob(ID, (url,), folder, LIMIT, 60.0, None, storage, fresh=fresh)  # type: ignore[arg-type]
    run, found = FlowRun(download(job, keep_path)), list[str]()
    while (effect := run.effect) is not None:
        answer: Any = None
        match effect:
            case RunBlocking(function):
                found.append(function.__name__)
                answer = function()
            case StreamDownload(sink=sink):
                assert sink.start(Response(200, {"content-type": "image/png"}, b""))
                sink.write(PNG)
            case ReadClock():
                answer = TimePoint(0.0, 1.8e9)
            case _:
                pass
        run.send(answer)
    return found


@pytest.mark.parametrize(("fresh", "calls"), [(True, ["keep"]), (False, ["resume", "keep"])])
def test_a_file_of_a_fresh_folder_takes_one_call_in_a_thread(
    tmp_path: Path, fresh: bool, calls: list[str]
) -> None:
    """Where no earlier run left a part, none is asked for."""
    assert blocking_calls(tmp_path, fresh=fresh) == calls


def test_a_part_that_came_after_the_question_isnt_taken_for_the_whole_file(tmp_path: Path) -> None:
    """A longer one of another process that died meanwhile, for example."""
    stem = file_stem(ID, 0, 1)
    (tmp_path / f".{stem}.part").write_bytes(PNG * 2)
    assert blocking_calls(tmp_path, fresh=True) == ["keep"]
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [PNG]


def test_a_folder_may_have_parts_only_if_one_is_there_or_it_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert not storage.may_resume(tmp_path)
    (tmp_path / ".a.part").touch()
    assert storage.may_resume(tmp_path)
    assert storage.may_resume(tmp_path / "a.png")
