"""`python -m self_tests.tests_by_check`: write which tests evaluate each check.

It runs the suite against the bundled mock, which takes minutes. `--report` reads an earlier run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow_contract import plan
from wanflow_contract.plan.selection import TABLE
from wanflow_contract.report.result import read_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow_contract.report.result import RunResult


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite, and write the table."""
    parser = argparse.ArgumentParser(prog="self_tests.tests_by_check", description=__doc__)
    parser.add_argument("--report", type=Path, help="report.json of a whole run")
    chosen = parser.parse_args(arguments)
    result = read_result(chosen.report) if chosen.report else run_suite()
    path = Path(plan.__path__[0]) / TABLE
    path.write_text(json.dumps(table_of(result), indent=1) + "\n")
    sys.stdout.write(f"written: {path}\n")
    return 0


def run_suite() -> RunResult:
    """Run the fast and the slow tests against the bundled mock."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "wanflow", "contract", "--seed", "1", "--report", folder]
        subprocess.run([sys.executable, *command], check=True)
        return read_result(Path(folder) / "report.json")


def table_of(result: RunResult) -> dict[str, list[str]]:
    """Return the functions of the tests that evaluated each check."""
    found = defaultdict[str, set[str]](set)
    for one in result.tests:
        for check in one.checks:
            found[check].add(one.name.partition("[")[0])
    return {check: sorted(found[check]) for check in sorted(found)}


if __name__ == "__main__":
    sys.exit(main())
