"""A run that could cost: nothing without a limit, never more than it, and a list beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from self_tests.reference_server.server import Server
from wanflow_contract.checks.boundaries import cheapest, probes_of
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.checks.expectation import Verdict, Word, packaged_judge
from wanflow_contract.support.budget import Purse, PurseEmpty
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.shared_budget import Till

ROOT = Path(__file__).resolve().parents[2]
KEY, KEY2 = "the-key-that-pays-0001", "the-key-of-another-0002"
PICKED = "files or billing or idempotency or state_machine or plain"
MODELS = packaged_promises().catalog.models


class Counting(Server):
    """The second server, counting requests, when they came, and what is reserved."""

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.requests, self.reserved, self.busy, self.busiest = 0, 0.0, 0, 0
        self.times: list[float] = []
        self.lock = threading.Lock()

    def account(self, header: str | None) -> str:
        with self.lock:
            self.requests += 1
            self.times.append(time.monotonic())
        return super().account(header)

    def submit(self, path, key, body):
        with self.lock:
            self.busy += 1
            self.busiest = max(self.busy, self.busiest)
        try:
            made = super().submit(path, key, body)
        finally:
            self.busy -= 1
        with self.lock:
            self.reserved += made["usage"]["credits_reserved"]
        return made


def suite(server: Server, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the fast laws against a server that charges."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "contract_tests/wanflow_contract",
        "-q",
        "-m",
        "fast",
    ]
    aimed = ["--base-url", server.origin + server.base, "--contract-report", str(folder)]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *aimed, *options],
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
        done = suite(server, tmp_path, "-k", PICKED)
    assert server.tasks == {}
    assert done.returncode == 0, done.stdout
    assert "not sent: this submission may cost" in done.stdout
    assert "0 credits spent" in done.stdout


@pytest.mark.full
@pytest.mark.parametrize("processes", ["0", "3"])
def test_no_more_is_spent_than_the_limit(tmp_path, processes) -> None:
    """All laws, in one process or in several, stop at the limit, and end with what was spent."""
    with Counting(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "60", "-n", processes)
    assert done.returncode == 0, done.stdout
    assert 40 < server.reserved <= 60, "the limit is neither passed nor far from being used"
    assert f"{round(server.reserved, 4):g} credits spent" in done.stdout
    assert f", {len(server.tasks)} tasks, " in done.stdout
    assert server.busiest <= 10, "a run is no load"
    assert "60 are spent" in done.stdout, "it says what wasn't sent"


@pytest.mark.full
def test_chance_buys_from_a_large_purse_only(tmp_path) -> None:
    """What chance makes and could be taken is sent only where a lot may be spent."""
    bought = {}
    for limit in ("1999", "100000"):
        with Counting(KEY) as server:
            chosen = ("-k", "every_answer_is_one_that", "--spend-limit", limit)
            done = suite(server, tmp_path, *chosen)
        assert done.returncode == 0, done.stdout
        assert server.requests > 30, "what must be refused is sent in any case"
        bought[limit] = len(server.tasks)
    assert bought["1999"] == 0
    assert bought["100000"] > 0


@pytest.mark.full
def test_requests_keep_to_the_rate(tmp_path) -> None:
    """No second has more requests than were allowed, however many processes send them."""
    rate = 8
    with Counting(KEY) as server:
        chosen = ("-k", "equal_requests or default_costs", "--rate", str(rate))
        done = suite(server, tmp_path, *chosen, "--spend-limit", "9999", "-n", "2")
    assert done.returncode == 0, done.stdout
    assert len(server.times) > 2 * rate
    for begin in server.times:
        within = sum(begin <= one < begin + 1 for one in server.times)
        assert within <= rate + 2, "one for each process, which may have waited"


@pytest.mark.full
def test_what_finds_most_for_least_comes_first(tmp_path) -> None:
    """With little to spend, lives and files are seen before the tables, which cost most."""

    def order(limit: str) -> list[str]:
        with Counting(KEY) as server:
            done = suite(server, tmp_path, "--collect-only", "--spend-limit", limit)
        seen = [line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line]
        return [Path(name).stem.removeprefix("test_") for name in dict.fromkeys(seen)]

    few, many = order("60"), order("9999")
    assert few.index("lifecycle") < few.index("files") < few.index("semantics")
    assert many.index("semantics") < many.index("lifecycle")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_nothing_that_a_table_has_is_cheaper_than_the_cheapest(name) -> None:
    """The body that stands for a model is valid, and no valid one of its table costs less."""
    model, judge = MODELS[name], packaged_judge()
    with Server(KEY) as server:
        path, body = server.base + model.path, cheapest(model)

        def price(asked: dict) -> float:
            return server.submit(path, KEY, asked)["usage"]["credits_reserved"]

        assert judge.verdict(model.operation_id, body).word is Word.TAKEN
        for probe in probes_of(model):
            if judge.verdict(model.operation_id, probe.body).word is Word.TAKEN:
                assert price(body) <= price(probe.body), probe


@pytest.mark.full
def test_a_dry_run_sends_nothing_and_lists_all(tmp_path) -> None:
    """A dry run leaves the server alone and writes down what it would have been sent."""
    with Counting(KEY) as server:
        done = suite(server, tmp_path, "-k", PICKED, "--spend-limit", "60", "--dry-run")
    assert done.returncode == 0, done.stdout
    assert (server.requests, server.tasks) == (0, {})
    listed = (tmp_path / "would-be-sent.txt").read_text().splitlines()
    assert len([line for line in listed if line.startswith("POST /v1/")]) > 5
    assert done.stdout.count(f"{len(listed)} requests would be sent") == 1
    assert "credits would be spent at most" in done.stdout


def test_the_key_is_in_nothing_that_is_written(tmp_path) -> None:
    """Neither the terminal nor the report nor JUnit's file has the key, findings or not."""

    class Echo(Counting):
        def look(self, key, task_id):
            return {**super().look(key, task_id), "queue": key, "progress": 7}

    with Echo(KEY) as server:
        done = suite(server, tmp_path, "-k", PICKED, "--spend-limit", "60")
    assert done.returncode == 1
    assert "[leak]" in done.stdout
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert len(written) >= 2
    assert not any(KEY in text for text in (done.stdout, done.stderr, *written))


class TestPurse:
    """What may be spent."""

    taken = Verdict(Word.TAKEN)

    def body(self, **more: object) -> bytes:
        return json.dumps({**cheapest(next(iter(MODELS.values()))), **more}).encode()

    def answer(self, asked: bytes, receipt: dict) -> Exchange:
        return Exchange("POST", "", "", (), asked, 200, (), json.dumps(receipt).encode())

    def test_an_empty_purse_refuses_what_could_be_taken(self) -> None:
        """What is right, or may be, is not sent without credits; what is wrong is."""
        purse = Purse(0.0)
        for word in (Word.TAKEN, Word.OPEN):
            with pytest.raises(PurseEmpty):
                purse.permit(Verdict(word), self.body())
        purse.permit(Verdict(Word.REFUSED), self.body())
        purse.permit(None, None)

    def test_a_server_that_takes_what_is_wrong_isnt_sent_that_for_nothing(self) -> None:
        """Where a wrong request was taken and charged, others are bought like right ones."""
        purse, wrong = Purse(0.0), Verdict(Word.REFUSED)
        purse.enter(self.answer(self.body(), {"usage": {"credits_reserved": 3}}), wrong)
        with pytest.raises(PurseEmpty, match="3 of 0 are spent"):
            purse.permit(wrong, self.body())

    def test_a_first_estimate_is_the_dearest_price_that_the_document_shows(self) -> None:
        """Before a price was seen, a task is taken to cost what the dearest example costs."""
        assert Purse(1.0).estimate({"model": "unseen", "duration": 10}) >= 10

    def test_a_choice_that_wasnt_seen_may_be_dearer(self) -> None:
        """What the cheapest quality costs says nothing of another one."""
        purse, body = Purse(1000.0), {"model": "a", "duration": 5, "quality": "480p"}
        purse.book(body, {"usage": {"credits_reserved": 50}})
        assert purse.estimate(body) == 50
        assert purse.estimate({**body, "quality": "1080p"}) >= 100

    def test_where_no_price_is_told_an_estimate_stays_an_estimate(self) -> None:
        """What was estimated is no price that was seen: estimates don't grow by themselves."""
        purse, body = Purse(1e6), {"model": "a", "duration": 5, "quality": "480p"}
        first = purse.estimate(body)
        for quality in ("480p", "720p", "1080p"):
            purse.book({**body, "quality": quality}, {})
            assert purse.estimate({**body, "quality": quality}) == first

    def test_a_limit_is_never_passed_by_an_estimate(self) -> None:
        """A submission is refused when its estimate is more than what is left."""
        purse = Purse(100.0)
        purse.pay(99.0, 0.0)
        with pytest.raises(PurseEmpty, match="99 of 100 are spent"):
            purse.permit(self.taken, self.body())

    def test_what_is_under_way_is_held(self) -> None:
        """Before its answer is there, a submission counts by its estimate, for every process."""
        cost = Purse(0.0).estimate(json.loads(self.body()))
        purse = Purse(1.5 * cost)
        held = purse.permit(self.taken, self.body())
        with pytest.raises(PurseEmpty):
            purse.permit(self.taken, self.body())
        purse.enter(self.answer(self.body(), {"usage": {"credits_reserved": 0}}), self.taken, held)
        assert purse.permit(self.taken, self.body()) == 0

    def test_a_till_is_shared(self, tmp_path) -> None:
        """Two processes that open a till hold and spend from the same credits."""
        one, two = Till(tmp_path / "till"), Till(tmp_path / "till")
        assert one.hold(6, 10)
        assert not two.hold(6, 10)
        one.settle(6, 2.5)
        assert two.spent == 2.5
        assert two.hold(7.5, 10)
        one.close()
        two.close()
