"""`python -m self_tests.check_map`: write which tests evaluate each check.

It runs the fast and the slow tests against the bundled mock, which takes minutes. Reports use the
map to name the checks that a fault kept from being evaluated, and `--only` to select tests.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow_contract.plan.check_map import ELSEWHERE, MAP, map_of
from wanflow_contract.report.result import read_result

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALIKE = {
    "model-access": "accepts",
    "file-access": "accepts",
    "used-credits": "has-status",
    "charge": "results",
}
"""Checks that the mock gives no reason to evaluate, with one that the same tests evaluate."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite, and write the map; return 1 if the run has findings."""
    parser = argparse.ArgumentParser(prog="self_tests.check_map", description=__doc__)
    parser.add_argument("--report", type=Path, help="report.json of an earlier run of all tests")
    report = parser.parse_args(arguments).report
    with tempfile.TemporaryDirectory() as folder:
        result = read_result(report or _run_suite(Path(folder)))
    if result.findings or result.errors:
        sys.stderr.write("the run has findings: the map must be made from a run without any\n")
        return 1
    found = map_of(result.tests)
    for name, other in _ALIKE.items():
        functions = sorted({one for some in found[other].values() for one in some})
        found.setdefault(name, {ELSEWHERE: functions})
    MAP.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")
    sys.stdout.write(f"written: {MAP}\n")
    return 0


def _run_suite(folder: Path) -> Path:
    command = ["-m", "wanflow", "contract", "--seed", "1", "--report", str(folder)]
    subprocess.run([sys.executable, *command], check=True)
    return folder / "report.json"


if __name__ == "__main__":
    sys.exit(main())
