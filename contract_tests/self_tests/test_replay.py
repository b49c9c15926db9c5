"""`wanflow contract replay`: sends the requests of a finding again, and judges the responses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from self_tests.reference_server.faults import AnyAccountSees, NotValidated
from self_tests.reference_server.server import Server
from self_tests.test_contract_command import KEYS, at, contract

if TYPE_CHECKING:
    from pathlib import Path


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
