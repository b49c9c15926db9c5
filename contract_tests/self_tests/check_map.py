"""`python -m self_tests.check_map REPORT.json`: renew the map of checks to tests.

REPORT.json is the result of a run of the fast tests without findings. The reports use the map to
name the checks that a fault kept from being evaluated.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from wanflow_contract.report.not_judged import MAP, map_of
from wanflow_contract.report.result import read_result


def main(arguments: list[str]) -> int:
    """Write the map; return 2 if the run has findings."""
    result = read_result(Path(arguments[0]))
    if result.findings or result.errors:
        sys.stderr.write("the run has findings: the map must be made from a run without any\n")
        return 2
    MAP.write_text(json.dumps(map_of(result.tests), indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
