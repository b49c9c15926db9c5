"""The files of container/queue are valid, run existing commands, and grant no more than needed."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.docs.pages import ROOT, parse, words
from tests.uploads.conftest import s3_url  # noqa: F401 - a fixture
from wanflow._config import DEFAULT_TIMEOUT
from wanflow.cli.main import COMMANDS
from wanflow.queue.worker import DEFAULT_LEASE

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "container/queue"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
JOB, DEPLOYMENT = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
UNIT = (FOLDER / "wanflow-worker.service").read_text()
EXEC = re.search(r"^ExecStart=\S+/(wanflow .*)$", UNIT, re.MULTILINE)
OWN = {name: one for name, one in SERVICES.items() if one.get("image") == "wanflow-worker"}
PODS = {one["kind"]: one["spec"]["template"]["spec"] for one in (JOB, DEPLOYMENT)}
LINES = [
    *(one["command"] for one in OWN.values() if one["entrypoint"][-1] == "wanflow"),
    *(pod["containers"][0]["command"][3:] for pod in PODS.values()),
    words(EXEC[1] if EXEC else ""),
]
LONGEST_STEP = DEFAULT_LEASE + DEFAULT_TIMEOUT


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_every_command_exists_with_its_options(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANFLOW_QUEUE", "postgresql://db.example.com/wanflow")
    (tmp_path / "api-key").write_text("any")
    (tmp_path / "jobs.jsonl").write_bytes((FOLDER / "jobs.jsonl").read_bytes())
    places = {"%d/": f"{tmp_path}/", "%S/": f"{tmp_path}/", "/jobs.jsonl": f"{tmp_path}/jobs.jsonl"}
    for old, new in places.items():
        line = [one.replace(old, new) for one in line]
    parse(COMMANDS[line[0]].load(), line[0], line[1:])


def test_a_stopped_worker_has_longer_than_a_step_takes() -> None:
    stop = re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert stop
    assert int(stop[1]) > LONGEST_STEP
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > LONGEST_STEP
    assert PODS["Deployment"]["terminationGracePeriodSeconds"] > LONGEST_STEP
    assert "KillSignal=SIGTERM" in UNIT


@pytest.mark.parametrize("name", OWN)
def test_a_service_runs_without_rights_and_writes_nothing(name: str) -> None:
    one = OWN[name]
    assert one["user"] == "10001:10001"
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("kind", PODS)
def test_a_pod_runs_without_rights_and_writes_nothing(kind: str) -> None:
    pod = PODS[kind]
    context = pod["containers"][0]["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert {one["name"] for one in pod["containers"][0]["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }


def test_a_worker_without_its_database_is_not_ready_and_is_not_killed() -> None:
    container = PODS["Deployment"]["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/metrics"
    assert "/healthz" in SERVICES["worker"]["healthcheck"]["test"][-1]
    ports = {str(container["ports"][0]["containerPort"]), "9400"}
    assert len(ports) == 1


def test_three_workers_start_when_the_tables_and_the_bucket_exist() -> None:
    assert SERVICES["worker"]["deploy"]["replicas"] == DEPLOYMENT["spec"]["replicas"] == 3
    assert {*SERVICES["worker"]["depends_on"]} == {"tables", "bucket", "mock"}
    for one in SERVICES.values():
        assert {*one.get("depends_on", [])} <= set(SERVICES)
    used = {text.partition(":")[0] for one in SERVICES.values() for text in one.get("volumes", [])}
    assert {one for one in used if not one.startswith(".")} == set(COMPOSE["volumes"])


def test_no_file_has_a_key_and_none_is_on_a_command_line() -> None:
    assert all("--api-key" not in line and "api_key" not in "".join(line) for line in LINES)
    assert SERVICES["worker"]["environment"]["WANFLOW_API_KEY"] == "any"
    assert "LoadCredential=api-key" in UNIT


def test_the_bucket_is_created_by_its_program(s3_url: str) -> None:  # noqa: F811 - the fixture
    (code,) = SERVICES["bucket"]["command"]
    exec(compile(code.replace("http://storage:5000", s3_url), "compose.yaml", "exec"), {})
    with urlopen(f"{s3_url}/results") as response:
        assert response.status == 200
    urlopen(Request(f"{s3_url}/results", method="DELETE")).close()


@pytest.mark.processes
def test_the_unit_is_valid(tmp_path: Path) -> None:
    """For systemd itself, with a program that exists."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("NOT CHECKED: the unit: there is no systemd-analyze")
    path = tmp_path / "wanflow-worker.service"
    path.write_text(UNIT.replace("/opt/wanflow/bin/wanflow", "/bin/true"))
    done = subprocess.run([verify, "verify", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
