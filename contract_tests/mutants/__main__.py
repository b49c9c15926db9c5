"""`python -m contract_tests.mutants`: try every mutant, and write mutants.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from contract_tests.mutants import (
    by_hand_answers,
    by_hand_callbacks,
    by_hand_dealings,
    by_hand_states,
    mechanical,
)
from contract_tests.mutants.mutant import MUTANTS, VERSION
from contract_tests.mutants.plain import killed_plainly, sampled
from contract_tests.mutants.report import page
from contract_tests.mutants.trial import Outcome, tried
from contract_tests.mutants.witness import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = Path(__file__).resolve().parents[1] / "mutants.md"
assert all((by_hand_answers, by_hand_states, by_hand_callbacks, by_hand_dealings))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 where a mutant survives."""
    chosen, begun = _parser().parse_args(arguments), time.monotonic()
    mechanical.make()
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
    parser = argparse.ArgumentParser(prog="contract_tests.mutants", description=__doc__)
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
