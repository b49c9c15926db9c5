"""`python -m self_tests.mutation.false_positives`: run the suite on the unmodified mock.

Each seed is a run in its own process. Writes false_positives.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[3]
PAGE = Path(__file__).with_name("false_positives.md")
_REQUESTS = re.compile(r"contract: ([0-9]+) requests sent")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@frozen
class Run:
    """The outcome of a run: how many requests it sent, and which tests failed."""

    seed: int
    marks: str
    code: int
    requests: int
    seconds: float
    failed: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether it tested something and found nothing."""
        return self.code == 0 and self.requests > 0


def run(marks: str, seed: int) -> Run:
    """Run the suite on the bundled mock with a seed."""
    begun = time.monotonic()
    options = ["-q", "-m", marks, "--seed", str(seed), "-p", "no:cacheprovider", "--tb=no"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "contract_tests/wanflow_contract", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    sent = _REQUESTS.search(done.stdout)
    seconds = time.monotonic() - begun
    failed = tuple(_FAILED.findall(done.stdout))
    return Run(seed, marks, done.returncode, int(sent[1]) if sent else 0, seconds, failed)


def render(runs: Sequence[Run]) -> str:
    """Return the page."""
    lines = [
        "# False positives",
        "",
        "Made by `make clean-seeds`. Each row is a run on the unmodified mock: a finding",
        "is a false alarm, or a real fault of the mock.",
        "",
        f"{sum(one.clean for one in runs)} of {len(runs)} runs found nothing.",
        "",
        "| tests | seed | requests | seconds | findings |",
        "|---|---|---|---|---|",
    ]
    for one in runs:
        found = ", ".join(f"`{name}`" for name in one.failed) or ("none" if one.clean else "broken")
        lines.append(f"| {one.marks} | {one.seed} | {one.requests} | {one.seconds:.0f} | {found} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a run has findings."""
    parser = argparse.ArgumentParser(
        prog="self_tests.mutation.false_positives", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=20, help="runs of the fast tests")
    parser.add_argument("--slow", type=int, default=2, help="runs of the slow tests")
    parser.add_argument("--jobs", type=int, default=2, help="concurrent runs")
    chosen = parser.parse_args(arguments)
    with ThreadPoolExecutor(chosen.jobs) as pool:
        runs = [
            *pool.map(partial(run, "fast"), range(1, chosen.seeds + 1)),
            *pool.map(partial(run, "slow"), range(1, chosen.slow + 1)),
        ]
    PAGE.write_text(render(runs))
    for one in runs:
        if not one.clean:
            sys.stdout.write(f"{one.marks}, seed {one.seed}: {one.failed or one.code}\n")
    return int(not all(one.clean for one in runs))


if __name__ == "__main__":
    sys.exit(main())
