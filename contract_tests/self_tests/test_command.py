"""`pytest contract_tests --base-url … --api-key …` is pytest, and its options work as usual."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from self_tests.reference_server.faults import FreeSeconds

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("the-key-that-pays-0001", "the-key-of-another-0002")


@pytest.mark.slow
def test_pytests_own_options_work(tmp_path) -> None:
    """-k selects, -n distributes, --lf runs only what failed, and -x stops at the first failure."""

    def suite(*options: str) -> tuple[int, dict[str, int]]:
        aimed = ["--base-url", server.origin + server.base, "--spend-limit", "9999"]
        keys = ["--api-key", KEYS[0], "--api-key2", KEYS[1]]
        command = [sys.executable, "-m", "pytest", "contract_tests", *aimed, *keys, *options]
        cached = ["-q", "-o", f"cache_dir={tmp_path}"]
        done = subprocess.run(
            [*command, *cached], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
        )
        counts = re.findall(r"(\d+) (passed|failed|error)", done.stdout.splitlines()[-1])
        return done.returncode, {word: int(number) for number, word in counts}

    with FreeSeconds(*KEYS) as server:
        code, found = suite("-n", "2", "-k", "larger_request_costs or equal_requests")
        assert code == 1
        assert found["failed"] == 3, "each video model"
        assert found["passed"] > 5
        code, again = suite("--lf", "-x", "-k", "larger_request_costs or equal_requests")
    assert code == 1
    assert again == {"failed": 1}
