"""`python -m self_tests.mutation`: try every mutant, and write mutants.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from self_tests.mutation import (
    generated,
    manual_callbacks,
    manual_requests,
    manual_responses,
    manual_states,
)
from self_tests.mutation.kill_proof import shown
from self_tests.mutation.mutant import MUTANTS, VERSION
from self_tests.mutation.report import page
from self_tests.mutation.runner import Outcome, tried
from self_tests.mutation.schemathesis_baseline import killed_plainly, sampled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = Path(__file__).with_name("mutants.md")
assert all((manual_responses, manual_states, manual_callbacks, manual_requests))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 where a mutant survives."""
    chosen, begun = _parser().parse_args(arguments), time.monotonic()
    generated.make()
    wanted = [one for name, one in MUTANTS.items() if chosen.only in name]
    seen = shown(wanted, chosen.jobs)
    unseen = sorted({one.name for one in wanted} - {one.name for one in seen})
    _say(f"{len(seen)} mutants, and {len(unseen)} that no witness shows")
    outcomes, first = dict[int, list[Outcome]](), dict[str, str]()
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        outcomes[seed] = tried(seen, seed, chosen.jobs, first=first)
        first = first or {one.name: one.test for one in outcomes[seed]}
        killed = sum(bool(one.killer) for one in outcomes[seed])
        _say(f"seed {seed}: {killed} of {len(outcomes[seed])} killed")
    sample = sampled(seen, chosen.plain) if chosen.plain else []

    def write(plain: Mapping[str, bool]) -> None:
        minutes = (time.monotonic() - begun) / 60
        if not chosen.only:
            PAGE.write_text(page(outcomes, MUTANTS, unseen, plain, VERSION, minutes))
            _say(f"written: {PAGE.name}")

    write({})  # the plain tool may take longer than all of ours
    if sample:
        write(killed_plainly(sample, chosen.jobs))
    survivors = [one for found in outcomes.values() for one in found if not one.killer]
    for one in survivors:
        _say(f"survived: {one.name}: {MUTANTS[one.name].says}")
    return 1 if survivors else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="self_tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name has this")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument(
        "--plain", type=int, default=0, help="plain tool: each so many-th of every class"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
