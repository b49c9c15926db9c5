"""The suite passes a right server that it wasn't made for, and fails it when it is broken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from self_tests.reference_server.faults import FLAWS
from self_tests.reference_server.server import Server
from self_tests.reference_server.variants import CHOICES

ROOT = Path(__file__).resolve().parents[3]
KEYS = ("first-key-0001", "second-key-0002")


def suite(server: Server, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the fast laws against a server, as anybody would."""
    keys = dict(zip(("WANFLOW_CONTRACT_API_KEY", "WANFLOW_CONTRACT_API_KEY2"), KEYS, strict=True))
    command = [sys.executable, "-m", "pytest", "contract_tests", "-q", "-m", "fast"]
    aimed = ["--base-url", server.origin + server.base, "--spend-limit", "1000000"]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *aimed, *options],
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.full  # a whole run of the suite: more than a minute
def test_a_right_server_of_another_make_passes() -> None:
    """The suite finds nothing wrong with a server that takes the other way at every choice."""
    with Server(*KEYS) as server:
        done = suite(server)
    assert done.returncode == 0, done.stdout
    assert not any(key in done.stdout + done.stderr for key in KEYS)


@pytest.mark.full
@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_that_the_documents_leave_passes(choice) -> None:
    """Thin answers, other stores, failures, refusals of what is unknown: all of them are right."""
    with choice(*KEYS) as server:
        done = suite(server)
    assert done.returncode == 0, done.stdout


@pytest.mark.full
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_broken_server_fails(flaw) -> None:
    """The same server, broken in one way, fails by a law."""
    with flaw(*KEYS) as server:
        done = suite(server, "-x")
    assert done.returncode == 1, done.stdout
    assert re.search(r"^\[[a-z-]+\] [A-Z].*\.$", done.stdout, re.MULTILINE), done.stdout
    assert "  curl -sS -i -X " in done.stdout
    assert not any(key in done.stdout + done.stderr for key in KEYS)
