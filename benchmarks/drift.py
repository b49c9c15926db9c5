"""Whom `wanflow drift` blames: `python -m benchmarks.drift`.

Thirty changes: ten of the spec, ten of the mock, ten of a server. For each it prints who is said to
be alone, and at how many places. Exits with 1 unless it is the one that was changed, each time.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "contract_tests"))

from self_tests.drift_trials import CHANGES, blamed


def main() -> int:
    right = 0
    for change in CHANGES:
        said = blamed(change)
        good = list(said) == [change.side]
        right += good
        counts = ", ".join(f"{who}: {len(places)}" for who, places in said.items()) or "nobody"
        print(
            f"{'right' if good else 'WRONG'}  {change.side:<7} {change.name}: {counts}", flush=True
        )
        if not good:
            print(*(f"    {who}: {one}" for who, some in said.items() for one in some), sep="\n")
    print(f"the right one in {right} of {len(CHANGES)}")
    return 0 if right == len(CHANGES) else 1


if __name__ == "__main__":
    sys.exit(main())
