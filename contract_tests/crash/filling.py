"""A disk that fills up between an intent and its task's id; run on a small disk of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from attrs import evolve
from contract_tests.crash.books import audit
from contract_tests.crash.worker import Orders

from wanflow.mock import MockServer

_JOBS = 4


def main(disk: Path, elsewhere: Path, model: str) -> None:
    """Let the ledger's disk fill up, then the files' disk, and hold the books each time."""
    for name, ledger, out in (("ledger", disk, elsewhere), ("files", elsewhere, disk)):
        with MockServer(looks=1, idempotency=False) as mock:
            key = mock.api_key
            book, folder = str(ledger / f"{name}.db"), str(out / name)
            orders = Orders(mock.base_url, key, book, folder, model, _JOBS, at_once=2)
            full = _run(evolve(orders, point="after intend", nth=2, fill=str(disk)))
            assert "full" in full or "No space left" in full, f"nobody said why: {full!r}"
            before = mock.accounts.of(key).submitted
            if name == "ledger":
                assert before < _JOBS, "jobs were begun that could not be written down"
            for filler in disk.glob("filler-*"):
                filler.unlink()
            _run(orders)
            assert audit(mock, orders) == 0
            print(f"{name}: {before} of {_JOBS} charged while the disk was full")  # noqa: T201


def _run(orders: Orders) -> str:
    done = subprocess.run(orders.words(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
