"""`wanflow contract replay`: sends the requests of a finding again, and judges the responses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from self_tests.reference_server.faults import AnyAccountSees, NotValidated
from self_tests.reference_server.server import Server
from self_tests.test_contract_command import KEYS, at, contract
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import REGISTRY, CheckFailed
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.findings.finding import make_finding
from wanflow_contract.plan.budget import SpendBudget
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.triage.replay import VARIABLES, NotReplayed, Replay

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow_contract.findings.finding import Finding

MODELS = packaged_contract().catalog.models.values()
MODEL = next(one for one in MODELS if one.kind == "image")


def run_with(folder: Path, server: Server, chosen: str) -> str:
    """Run the suite against a faulty server, and return the id of its first finding."""
    options = [at(server), "--spend-limit", "100000", "--report", "out"]
    done = contract(folder, *options, "--", "-m", "fast", "-x", "-k", chosen)
    assert done.returncode == 1, done.stdout + done.stderr
    return str(json.loads((folder / "out/report.json").read_text())["findings"][0]["id"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "chosen"),
    [(AnyAccountSees, "visible_to_its_own_account"), (NotValidated, "test_semantics")],
)
def test_a_replay_says_whether_the_failure_occurs_again(tmp_path, fault, chosen) -> None:
    """1 on the faulty server, 0 on a right one; without a key, or at a cost, nothing is sent."""
    report = ("--report", "out")
    with fault(*KEYS) as server:
        name = run_with(tmp_path, server, chosen)
        submissions = len(server.tasks)
        refused = contract(tmp_path, "replay", name, *report)
        assert refused.returncode == 2
        assert "may cost" in refused.stderr
        without = contract(tmp_path, "replay", name, *report, "--yes", keys=())
        assert without.returncode == 4
        assert "WANFLOW_CONTRACT_API_KEY" in without.stderr
        assert len(server.tasks) == submissions
        again = contract(tmp_path, "replay", name, *report, "--spend-limit", "999")
        assert again.returncode == 1, again.stdout + again.stderr
        assert "the same failure occurs" in again.stdout
    with Server(*KEYS) as server:
        aimed = [*report, "--yes", "--base-url", at(server)]
        right = contract(tmp_path, "replay", name, *aimed)
    assert right.returncode == 0, right.stdout + right.stderr
    gone = contract(tmp_path, "replay", name, *report, "--yes")
    assert gone.returncode == 4
    assert "doesn't respond" in gone.stderr
    outputs = [one.stdout + one.stderr for one in (refused, without, again, right, gone)]
    assert not any(key in text for key in KEYS for text in outputs)
    explained = contract(tmp_path, "explain", name, *report)
    assert explained.returncode == 0
    assert f"{name}, found" in explained.stdout


def finding_of(server: Server, *bodies: dict[str, Any]) -> Finding:
    """Return a finding whose requests are submissions."""
    headers = (("authorization", f"Bearer {KEYS[0]}"), ("content-type", "application/json"))
    exchanges = tuple(
        Exchange(
            "POST",
            at(server) + MODEL.path,
            MODEL.path,
            headers,
            json.dumps(body).encode(),
            200,
            (),
            b"{}",
            secrets=KEYS,
        )
        for body in bodies
    )
    return make_finding("test", CheckFailed(REGISTRY["results"], "it is 5", exchanges, ""))


def replay_of(server: Server, budget: SpendBudget) -> Replay:
    """Return the replay of a finding with two equal submissions."""
    finding = finding_of(server, cheapest(MODEL), cheapest(MODEL))
    return Replay(finding, at(server), dict(zip(VARIABLES, KEYS, strict=True)), budget)


def test_a_replay_spends_no_more_than_its_limit() -> None:
    """A price above the documented one counts as it is reported, before the next request."""

    class Expensive(Server):
        def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
            return {**super().usage(kind, body), "credits_reserved": 15.0}

    with Expensive(*KEYS) as server:
        limited = replay_of(server, SpendBudget(20.0))
        assert limited.may_cost() <= 20
        with pytest.raises(NotReplayed, match="not sent: this submission may cost 15 credits"):
            limited.run()
        assert len(server.tasks) == 1
        assert limited.budget.spent_here == 15
        free = replay_of(server, SpendBudget())
        free.run()
        assert len(server.tasks) == 3


def test_a_replay_without_a_response_says_so() -> None:
    """The failure of a server that closes the connection occurs again."""

    class Silent(Server):
        def account(self, header: str | None) -> str:
            raise ConnectionAbortedError  # the connection is closed

    with Silent(*KEYS) as server:
        replay = replay_of(server, SpendBudget())
        last = replay.run()
    assert last.status == 0
    assert "responds" in {one.check for one in replay.recorder.findings.values()}


def test_every_check_can_be_explained() -> None:
    """By its name, and by the id of any finding of it."""
    code = (
        "from pathlib import Path\n"
        "from wanflow_contract.triage.explain import explain_name, load_checks\n"
        "checks = load_checks()\n"
        "for name, one in checks.items():\n"
        "    assert one.sentence in explain_name(name, Path('absent'))\n"
        "    assert one.sentence in explain_name(name + '-0123abcd', Path('absent'))\n"
        "print(len(checks))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50
