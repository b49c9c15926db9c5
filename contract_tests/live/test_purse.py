"""A run that could cost: nothing without a limit, never more than it, and a list beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from contract_tests.laws.boundaries import cheapest
from contract_tests.laws.promises import packaged_promises
from contract_tests.laws.purse import Purse, PurseEmpty
from contract_tests.laws.verdict import Verdict, Word
from contract_tests.second.server import Server

ROOT = Path(__file__).resolve().parents[2]
KEY = "the-key-that-pays-0001"
PICKED = "files or money or idempotency or lives or plain"


class Counting(Server):
    """The second server, counting requests and what is reserved."""

    requests, reserved = 0, 0.0

    def account(self, header: str | None) -> str:
        self.requests += 1
        return super().account(header)

    def submit(self, path, key, body):
        made = super().submit(path, key, body)
        self.reserved += made["usage"]["credits_reserved"]
        return made


def suite(server: Server, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a part of the suite against a server that charges."""
    command = [sys.executable, "-m", "pytest", "contract_tests/laws", "-q", "-k", PICKED]
    aimed = ["--base-url", server.origin + server.base, "--contract-report", str(folder)]
    return subprocess.run(
        [*command, "-m", "fast", "-p", "no:cacheprovider", *aimed, *options],
        cwd=ROOT,
        env={**os.environ, "WANFLOW_CONTRACT_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_without_a_limit_nothing_is_bought(tmp_path) -> None:
    """Against a server that isn't the mock, no valid submission is sent without a limit."""
    with Counting(KEY) as server:
        done = suite(server, tmp_path)
    assert server.tasks == {}
    assert done.returncode == 0, done.stdout
    assert "not sent: this submission may cost" in done.stdout
    assert "0 credits spent" in done.stdout


@pytest.mark.full
def test_no_more_is_spent_than_the_limit(tmp_path) -> None:
    """A run stops buying before its limit, and ends with what it spent."""
    with Counting(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "60")
    assert done.returncode == 0, done.stdout
    assert 0 < server.reserved <= 60
    assert f"{round(server.reserved, 4):g} credits spent" in done.stdout


@pytest.mark.full
def test_a_dry_run_sends_nothing_and_lists_all(tmp_path) -> None:
    """A dry run leaves the server alone and writes down what it would have been sent."""
    with Counting(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "60", "--dry-run")
    assert done.returncode == 0, done.stdout
    assert (server.requests, server.tasks) == (0, {})
    listed = (tmp_path / "would-be-sent.txt").read_text().splitlines()
    assert len([line for line in listed if line.startswith("POST /v1/")]) > 5
    assert "credits would be spent at most" in done.stdout


def test_the_key_is_in_nothing_that_is_written(tmp_path) -> None:
    """Neither the terminal nor the report nor JUnit's file has the key, findings or not."""

    class Echo(Counting):
        def look(self, key, task_id):
            return {**super().look(key, task_id), "queue": key, "progress": 7}

    with Echo(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "60")
    assert done.returncode == 1
    assert "[leak]" in done.stdout
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert len(written) >= 2
    assert not any(KEY in text for text in (done.stdout, done.stderr, *written))


class TestPurse:
    """What may be spent."""

    taken = Verdict(Word.TAKEN)

    def body(self) -> bytes:
        model = next(iter(packaged_promises().catalog.models.values()))
        return json.dumps(cheapest(model)).encode()

    def test_an_empty_purse_refuses_what_could_be_taken(self) -> None:
        """What is right, or may be, is not sent without credits; what is wrong is."""
        purse = Purse(0.0)
        for word in (Word.TAKEN, Word.OPEN):
            with pytest.raises(PurseEmpty):
                purse.permit(Verdict(word), self.body())
        purse.permit(Verdict(Word.REFUSED), self.body())
        purse.permit(None, None)

    def test_a_first_estimate_is_the_dearest_price_that_the_document_shows(self) -> None:
        """Before a price was seen, a task is taken to cost what the dearest example costs."""
        assert Purse(1.0).estimate({"model": "unseen", "duration": 10}) >= 10

    def test_a_limit_is_never_passed_by_an_estimate(self) -> None:
        """A submission is refused when its estimate is more than what is left."""
        purse = Purse(100.0, spent=99.0)
        with pytest.raises(PurseEmpty, match="99 of 100 are spent"):
            purse.permit(self.taken, self.body())
