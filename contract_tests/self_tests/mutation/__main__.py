"""`python -m self_tests.mutation`: run the suite on every mutant, and write mutants.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from self_tests.mutation.all_mutants import all_mutants
from self_tests.mutation.confirmation import confirmed
from self_tests.mutation.kill_proof import proven
from self_tests.mutation.mutant import VERSION
from self_tests.mutation.report import render
from self_tests.mutation.runner import Outcome, run_trials
from self_tests.mutation.schemathesis_baseline import killed_by_baseline, sample_mutants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = Path(__file__).with_name("mutants.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a mutant survives."""
    chosen, begun = _parser().parse_args(arguments), time.monotonic()
    wanted = [one for name, one in all_mutants().items() if chosen.only in name]
    seen = proven(wanted, chosen.jobs)
    unproven = sorted({one.name for one in wanted} - {one.name for one in seen})
    _print(f"{len(seen)} mutants, and {len(unproven)} that no script shows")
    earlier = len([*chosen.into.glob("seed-*/*.json")]) if chosen.into else 0
    outcomes, first = dict[int, list[Outcome]](), dict[str, str]()
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        found = run_trials(seen, seed, chosen.jobs, first=first, into=_folder(chosen, seed))
        outcomes[seed] = confirmed(found, all_mutants(), seed, chosen.jobs)
        first = first or {one.name: one.test for one in outcomes[seed]}
        killed = sum(bool(one.killer) for one in outcomes[seed])
        _print(f"seed {seed}: {killed} of {len(outcomes[seed])} killed")
        for one, now in zip(found, outcomes[seed], strict=True):
            if one.killer != now.killer:
                _print(f"not confirmed: {one.name}: {one.killer} in {one.last:g} s by {one.test}")
    sample = sample_mutants(seen, chosen.baseline) if chosen.baseline else []

    def write(baseline: Mapping[str, bool]) -> None:
        minutes = (time.monotonic() - begun) / 60
        if not chosen.only:
            PAGE.write_text(
                render(outcomes, all_mutants(), unproven, baseline, VERSION, minutes, earlier)
            )
            _print(f"written: {PAGE.name}")

    write({})  # the baseline may take longer than the suite
    if sample:
        write(killed_by_baseline(sample, chosen.jobs))
    survivors = [one for found in outcomes.values() for one in found if not one.killer]
    for one in survivors:
        _print(f"survived: {one.name}: {all_mutants()[one.name].description}")
    return 1 if survivors else 0


def _folder(chosen: argparse.Namespace, seed: int) -> Path | None:
    return chosen.into / f"seed-{seed}" if chosen.into else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="self_tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="only mutants whose name contains this")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds")
    parser.add_argument(
        "--baseline",
        type=int,
        default=0,
        help="also run Schemathesis alone on every Nth mutant of each class",
    )
    parser.add_argument(
        "--into", type=Path, help="keep outcomes here; a run that was stopped goes on with them"
    )
    parser.add_argument("--jobs", type=int, default=2, help="concurrent processes")
    return parser


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
