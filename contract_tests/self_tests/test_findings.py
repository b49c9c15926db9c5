"""A finding of any kind of test names its check and has a command that reproduces it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from self_tests.reference_server.faults import Backwards, TextNumbers
from self_tests.reference_server.server import Server
from wanflow_contract.findings.causes import causes_of
from wanflow_contract.report.result import read_result

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("the-key-that-pays-0001", "the-key-of-another-0002")


class DisconnectingServer(Server):
    """Closes the connection at every ninth poll."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        if next(self.numbers) % 9 == 0:
            raise ConnectionAbortedError("on purpose")
        return super().poll(key, task_id)


class WrongModelServer(Server):
    """Receipts have another model than requested."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        return {**super().submit(path, key, body), "model": "another"}


class FirstModelWrongServer(Server):
    """The first receipt has another model; all others are correct."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        first = not self.tasks
        made = super().submit(path, key, body)
        return {**made, "model": "another"} if first else made


def findings(server: Server, name: str, folder: Path, *options: str) -> str:
    """Run a test of the suite against a broken server, and return its output."""
    keys = dict(zip(("WANFLOW_CONTRACT_API_KEY", "WANFLOW_CONTRACT_API_KEY2"), KEYS, strict=True))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "contract_tests/wanflow_contract",
        "-q",
        "-x",
        "-k",
        name,
        *options,
    ]
    aimed = ["--base-url", server.origin + server.base, "--spend-limit", "1000000"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--contract-report", str(folder), *aimed],
        cwd=ROOT,
        env={**os.environ, **keys, "GITHUB_ACTIONS": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.slow  # each starts the suite
@pytest.mark.parametrize(
    ("name", "fault", "check"),
    [
        ("response_to_a_thousand and images", WrongModelServer, "kind"),
        ("every_response_is_documented and videos", WrongModelServer, "kind"),
        ("links_of_a_submission", TextNumbers, "schema"),
        ("any_order_of_actions", Backwards, "final"),
        ("any_order_of_actions", DisconnectingServer, "responds"),
        ("consistent_in_long_runs", DisconnectingServer, "responds"),
    ],
)
def test_a_finding_of_a_generated_test_names_its_check(tmp_path, name, fault, check) -> None:
    """Property tests and state machines report the check, its sentence and a curl command."""
    with fault(*KEYS) as server:
        said = findings(server, name, tmp_path)
    assert re.search(rf"^\[{check}\] [A-Z].*\.$", said, re.MULTILINE), said
    assert "  curl -sS -i -X " in said
    assert "HypothesisWarning" not in said
    assert "Flaky" not in said
    assert check in (tmp_path / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reproduced"), [(FirstModelWrongServer, False), (WrongModelServer, True)]
)
def test_a_failed_test_is_repeated_before_it_is_reported(tmp_path, fault, reproduced) -> None:
    """A failure that doesn't recur is marked as not reproduced, also in the GitHub annotation."""
    with fault(*KEYS) as server:
        said = findings(server, "equal_requests_cost", tmp_path)
    assert ("not reproduced" not in said) == reproduced
    annotation = re.search(r"^::error title=contract%3A kind::.*kind-[0-9a-f]{8}.*", said, re.M)
    assert annotation, said
    assert ("not reproduced" not in annotation[0]) == reproduced


class VanishingServer(Server):
    """The results of a completed task are there when they are first seen, and never again."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        task = super().poll(key, task_id)
        if task["status"] == "completed" and not self.seen(task_id):
            return {name: one for name, one in task.items() if name != "results"}
        return task

    def seen(self, task_id: str) -> bool:
        """Return whether the results are shown."""
        first, self.shown = task_id not in self.shown, self.shown | {task_id}
        return first

    shown: frozenset[str] = frozenset()


class EmptyServer(VanishingServer):
    """No completed task has results."""

    def seen(self, task_id: str) -> bool:
        """Return that they aren't shown."""
        return False


@pytest.mark.slow  # each starts the suite
@pytest.mark.parametrize("fault", [VanishingServer, EmptyServer])
def test_results_that_vanish_are_one_cause(tmp_path, fault) -> None:
    """Whichever checks miss them, and also where the client of wanflow gets none."""
    chosen = "produces_files or forward_only or serves_a_file or omitted_parameter"
    with fault(*KEYS) as server:
        findings(server, chosen, tmp_path, "--maxfail=0")
    found = read_result(tmp_path / "report.json").new
    assert {"results"} <= {one.check for one in found} <= {"results", "final"}
    assert len(causes_of(found)) == 1
