"""A disk that fills up between an intent and its task's id; run on a small disk of its own."""

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
from tests.crash.worker import Orders
from wanflow import Client
from wanflow.errors import LedgerError
from wanflow.ledger import File, Job, JobState, Ledger
from wanflow.mock import MockServer

_JOBS = 4
_ROOM = 400 * 1024
"""Bytes: some pictures fit, and not all."""


def main(disk: Path, elsewhere: Path, model: str) -> None:
    """Let the ledger's disk fill up, then the files' disk, and hold the books each time."""
    for name, ledger, out in (("ledger", disk, elsewhere), ("files", elsewhere, disk)):
        with MockServer(polls=1, idempotency=False) as mock:
            key = mock.api_key
            book, folder = str(ledger / f"{name}.db"), str(out / name)
            orders = Orders(mock.base_url, key, book, folder, model, _JOBS, at_once=2)
            full = _run(evolve(orders, point="after record_intent", nth=2, fill=str(disk)))
            assert "full" in full or "No space left" in full, f"nobody said why: {full!r}"
            before = mock.accounts.for_key(key).submitted
            if name == "ledger":
                assert before < _JOBS, "jobs were begun that could not be written down"
            for filler in disk.glob("filler-*"):
                filler.unlink()
            _run(orders)
            assert audit(mock, orders) == 0
            print(f"{name}: {before} of {_JOBS} charged while the disk was full")  # noqa: T201
    _opening(disk, model)
    _batch(disk, elsewhere, model)


def _opening(disk: Path, model: str) -> None:
    """Open a ledger whose disk is full: it can be read, and nothing new is begun."""
    book, filler = disk / "opened.db", disk / "filler-opening"
    with MockServer(polls=1) as mock:
        with Ledger(book) as ledger, Client(mock.api_key, mock.base_url, ledger=ledger) as client:
            client.submit(model=model, prompt="x")
        _fill(filler, room=0)
        with Ledger(book) as ledger:
            assert len(ledger.jobs()) == 1
        assert book.with_name("opened.db-reserve").exists(), "the room is kept for the next time"
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
    print("opening: what was kept can be read on a full disk")  # noqa: T201


def _batch(disk: Path, elsewhere: Path, model: str) -> None:
    """Let the files' disk be full before a batch, then fill up amid one, and make room again."""
    out, book, lines = disk / "batch", elsewhere / "batch.db", elsewhere / "jobs.jsonl"
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
        assert account.submitted == 0, "jobs were begun whose files could not be saved"
        _fill(filler, room=_ROOM)
        assert "No space left" in batch(15)
        saved = [job for job in _jobs(book) if job.state is JobState.SAVED]
        assert 0 < len(saved) < _JOBS, "the disk was to fill up amid the batch"
        filler.unlink()
        batch(0)
        assert account.submitted == _JOBS
        assert all(job.state is JobState.SAVED for job in _jobs(book))
        assert all(sha256(f.path.read_bytes()).hexdigest() == f.sha256 for f in _files(book))
    print(f"batch: {len(saved)} of {_JOBS} saved before the disk was full, all of them after")  # noqa: T201


def _fill(filler: Path, room: int) -> None:
    """Write a file until the disk is full, and give some bytes back."""
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


def _run(orders: Orders) -> str:
    done = subprocess.run(orders.words(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
