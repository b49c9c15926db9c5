"""`python -m self_tests.holdout_faults`: faults made by a proxy, which no law was written for.

The suite is pointed at a proxy before the mock, once with the mock's controls let through and once
with them hidden. Prints who survives.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from self_tests.holdout_faults import answers, requests
from self_tests.holdout_faults.proxy import Guise
from self_tests.holdout_faults.stage import GUISES, HIDDEN, Behind
from self_tests.mutation.report import rate
from self_tests.mutation.runner import Outcome, tried

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULTS = {one.name: one for one in (*requests.FAULTS, *answers.FAULTS)}
assert len(FAULTS) == len(requests.FAULTS) + len(answers.FAULTS), "two faults have one name"
AIMED = ("--spend-limit", "1000000000")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 where a fault survives, or a right proxy is found fault with."""
    parser = argparse.ArgumentParser(prog="self_tests.holdout_faults", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name has this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--controls", choices=("shown", "hidden"), help="one of the two only")
    parser.add_argument("--guises", action="store_true", help="right proxies instead of faults")
    chosen = parser.parse_args(arguments)
    if chosen.guises:
        found = tried([Behind(one) for one in GUISES], chosen.seed, chosen.jobs, more=AIMED)
        return max(_told(one, one.killer, "accused") for one in found)
    some = [one for name, one in FAULTS.items() if chosen.only in name]
    return max(_round(some, controls, chosen) for controls in _rounds(chosen.controls))


def _rounds(wanted: str | None) -> tuple[bool, ...]:
    return (True, False) if wanted is None else (wanted == "shown",)


def _round(some: Sequence[object], controls: bool, chosen: argparse.Namespace) -> int:
    behind = [
        Behind(Guise() if controls else HIDDEN, one)  # type: ignore[arg-type]
        for one in some
        if controls or not one.steered  # type: ignore[attr-defined]
    ]
    found = tried(behind, chosen.seed, chosen.jobs, more=AIMED)
    struck = [one for one in found if one.triggered]
    killed = sum(bool(one.killer) for one in found)
    _say(f"{found[0].kind}: {rate(killed, len(found))} killed; {len(struck)} struck")
    return max(_told(one, not one.killer, "survived") for one in found)


def _told(one: Outcome, worth: object, word: str) -> int:
    if worth:
        says = FAULTS[one.name].says if one.name in FAULTS else one.test
        _say(f"{word}: {one.name} ({one.kind}): {says} {one.killer} struck {one.triggered} times")
    return int(bool(worth))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
