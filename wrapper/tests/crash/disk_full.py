"""A disk that fills up between an intent and its task's id; run on its own small disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import evolve

from tests.crash.audit import audit
from tests.crash.worker import WorkerTask
from wanflow import Client
from wanflow.errors import LedgerError
from wanflow.ledger import File, Job, JobState, Ledger
from wanflow.mock import MockServer

_JOBS = 4
_ROOM = 400 * 1024
"""Bytes: some of the images fit, not all."""


def main(disk: Path, other_dir: Path, model: str) -> None:
    """Fill the ledger's disk, then the files' disk, and audit each time."""
    for name, ledger, out in (("ledger", disk, other_dir), ("files", other_dir, disk)):
        with MockServer(polls=1, idempotency=False) as mock:
            key = mock.api_key
            book, folder = str(ledger / f"{name}.db"), str(out / name)
            worker_task = WorkerTask(
                mock.base_url, key, book, folder, model, _JOBS, max_concurrency=2
            )
            full = _run(evolve(worker_task, point="after record_intent", nth=2, fill=str(disk)))
            assert "full" in full or "No space left" in full, f"no error gave the reason: {full!r}"
            before = mock.accounts.for_key(key).submitted
            if name == "ledger":
                assert before < _JOBS, "jobs were submitted that could not be recorded"
            for filler in disk.glob("filler-*"):
                filler.unlink()
            _run(worker_task)
            assert audit(mock, worker_task) == 0
            print(f"{name}: {before} of {_JOBS} charged while the disk was full")  # noqa: T201
    _opening(disk, model)
    _batch(disk, other_dir, model)


def _opening(disk: Path, model: str) -> None:
    """Open a ledger on a full disk: it can be read, and nothing is submitted."""
    book, filler = disk / "opened.db", disk / "filler-opening"
    with MockServer(polls=1) as mock:
        with Ledger(book) as ledger, Client(mock.api_key, mock.base_url, ledger=ledger) as client:
            client.submit(model=model, prompt="x")
        _fill(filler, room=0)
        with Ledger(book) as ledger:
            assert len(ledger.jobs()) == 1
        assert book.with_name("opened.db-reserve").exists(), "the reserve is kept for the next time"
        with (
            Ledger(book) as ledger,
            Client(mock.api_key, mock.base_url, ledger=ledger) as client,
            pytest.raises(LedgerError, match="No space left"),
        ):
            client.submit(model=model, prompt="x")
        filler.unlink()
        with Ledger(book) as ledger, Client(mock.api_key, mock.base_url, ledger=ledger) as client:
            assert client.resume_all()[0].error is None
            client.submit(model=model, prompt="x")
            assert mock.accounts.for_key(mock.api_key).submitted == len(ledger.jobs()) == 2
    print("opening: the ledger can be read on a full disk")  # noqa: T201


def _batch(disk: Path, other_dir: Path, model: str) -> None:
    """Fill the files' disk before a batch, then during one, and free it again."""
    out, book, lines = disk / "batch", other_dir / "batch.db", other_dir / "jobs.jsonl"
    jobs = [{"model": model, "prompt": f"job {number}"} for number in range(_JOBS)]
    lines.write_text("\n".join(map(json.dumps, jobs)))
    with MockServer(polls=1, idempotency=False) as mock:
        where = {"WANFLOW_API_KEY": mock.api_key, "WANFLOW_BASE_URL": mock.base_url}
        words = [
            sys.executable,
            "-m",
            "wanflow",
            "batch",
            str(lines),
            "-o",
            str(out),
            "--max-concurrency",
            "1",
        ]
        account = mock.accounts.for_key(mock.api_key)

        def batch(code: int) -> str:
            command, environment = [*words, "--ledger", str(book)], {**os.environ, **where}
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == code, done.stderr
            return done.stderr

        filler = disk / "filler-batch"
        _fill(filler, room=0)
        assert "No space left" in batch(3)
        assert account.submitted == 0, "jobs were submitted whose files could not be saved"
        _fill(filler, room=_ROOM)
        assert "No space left" in batch(15)
        saved = [job for job in _jobs(book) if job.state is JobState.SAVED]
        assert 0 < len(saved) < _JOBS, "the disk should fill up during the batch"
        filler.unlink()
        batch(0)
        assert account.submitted == _JOBS
        assert all(job.state is JobState.SAVED for job in _jobs(book))
        assert all(sha256(f.path.read_bytes()).hexdigest() == f.sha256 for f in _files(book))
    print(f"batch: {len(saved)} of {_JOBS} saved before the disk was full, all of them after")  # noqa: T201


def _fill(filler: Path, room: int) -> None:
    """Write a file until the disk is full, and free some bytes."""
    filler.unlink(missing_ok=True)
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, max(0, filler.stat().st_size - room))


def _jobs(book: Path) -> list[Job]:
    with Ledger(book) as ledger:
        return ledger.jobs()


def _files(book: Path) -> list[File]:
    return [file for job in _jobs(book) for file in job.files]


def _run(worker_task: WorkerTask) -> str:
    done = subprocess.run(worker_task.words(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
