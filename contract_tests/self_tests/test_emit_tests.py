"""Emitted tests need httpx and pytest alone, fail on the faulty server and pass on a right one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from self_tests.reference_server.faults import (
    AnyAccountSees,
    Backwards,
    KeysNotChecked,
    NotValidated,
    OneResult,
    TextNumbers,
    TooStrict,
)
from self_tests.reference_server.server import Server

pytestmark = pytest.mark.processes

KEYS = ("the-key-that-pays-0001", "the-key-of-another-0002")
ENVIRONMENT = {"WANFLOW_API_KEY": KEYS[0], "WANFLOW_CONTRACT_API_KEY2": KEYS[1]}


def closure(*names: str) -> dict[str, Distribution]:
    """Return distributions with their requirements."""
    found, remaining = dict[str, Distribution](), list(names)
    while remaining:
        name = canonicalize_name(remaining.pop())
        if name not in found:
            found[name] = distribution(name)
            for line in found[name].requires or ():
                one = Requirement(line)
                if one.marker is None or one.marker.evaluate({"extra": ""}):
                    remaining.append(one.name)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with httpx and pytest, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    for one in closure("httpx", "pytest").values():
        for top in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(one.locate_file(top))))
    return folder


class WrongErrors(Server):
    """Errors have codes of other statuses, and the polls another model."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        return {**super().poll(key, task_id), "model": "another"}


CASES = [
    (KeysNotChecked, "without_a_valid_key", "key-required"),
    (AnyAccountSees, "visible_to_its_own_account", "private"),
    (NotValidated, "test_semantics", "rejects"),
    (TooStrict, "test_semantics", "accepts"),
    (TextNumbers, "moves_forward_only", "schema"),
    (Backwards, "moves_forward_only", "final"),
    (OneResult, "moves_forward_only", "results"),
    (WrongErrors, "moves_forward_only", "identity"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "chosen", "check"), CASES, ids=lambda one: getattr(one, "__name__", one)
)
def test_an_emitted_test_fails_on_the_faulty_server_only(
    tmp_path, site, fault, chosen, check
) -> None:
    """No API key is in the file; it is read from the environment."""
    with fault(*KEYS) as server:
        run = [sys.executable, "-m", "wanflow", "contract", server.origin + server.base]
        options = ["--spend-limit", "100000", "--emit-tests", "found"]
        done = subprocess.run(
            [*run, *options, "--", "-m", "fast", "-k", chosen],
            cwd=tmp_path,
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        files = sorted((tmp_path / "found").iterdir())
        assert any(re.match(rf"test_{check.replace('-', '_')}_", one.name) for one in files)
        assert not any(key in one.read_text() for one in files for key in KEYS)
        faulty = pytest_alone(site, server, tmp_path / "found")
    with Server(*KEYS) as server:
        right = pytest_alone(site, server, tmp_path / "found")
    assert re.search(rf"^{len(files)} failed", faulty.splitlines()[-1]), faulty
    assert re.search(rf"^{len(files)} passed", right.splitlines()[-1]), right


def pytest_alone(site: Path, server: Server, folder: Path) -> str:
    """Run tests in a process that can import httpx and pytest only, and return its output."""
    script = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", script, *options],
        cwd=folder.parent,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(site),
            **ENVIRONMENT,
            "WANFLOW_CONTRACT_BASE_URL": server.origin + server.base,
            "WANFLOW_CONTRACT_TIMEOUT": "10",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout + done.stderr


def test_the_process_of_these_tests_can_import_nothing_else(site) -> None:
    """Else a test that needs the suite would pass here."""
    script = "import httpx, pytest\ntry:\n    import wanflow\nexcept ImportError:\n    print('no')"
    command = [sys.executable, "-S", "-P", "-c", script]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(site)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "no\n"
