"""`python -m self_tests.holdout_faults`: faults made by a proxy, written without the checks.

The suite tests the mock through a proxy, once with the mock's controls and once without. Prints
the faults that survive.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from self_tests.holdout_faults import requests, responses
from self_tests.holdout_faults.proxied_mock import HIDDEN, VARIANTS, ProxiedMock
from self_tests.holdout_faults.proxy import ProxyVariant
from self_tests.mutation.report import rate
from self_tests.mutation.runner import Outcome, run_trials

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULTS = {one.name: one for one in (*requests.FAULTS, *responses.FAULTS)}
assert len(FAULTS) == len(requests.FAULTS) + len(responses.FAULTS), "two faults have one name"
OPTIONS = ("--spend-limit", "1000000000")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a fault survives, or a correct proxy has findings."""
    parser = argparse.ArgumentParser(prog="self_tests.holdout_faults", description=__doc__)
    parser.add_argument("--only", default="", help="only faults whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--controls", choices=("shown", "hidden"), help="only one of the two")
    parser.add_argument(
        "--variants", action="store_true", help="run correct proxies instead of faults"
    )
    chosen = parser.parse_args(arguments)
    if chosen.variants:
        found = run_trials(
            [ProxiedMock(one) for one in VARIANTS],
            chosen.seed,
            chosen.jobs,
            more=OPTIONS,
            strict=False,
        )
        return max(_report(one, one.killer, "false finding") for one in found)
    some = [one for name, one in FAULTS.items() if chosen.only in name]
    return max(_round(some, controls, chosen) for controls in _rounds(chosen.controls))


def _rounds(wanted: str | None) -> tuple[bool, ...]:
    return (True, False) if wanted is None else (wanted == "shown",)


def _round(some: Sequence[object], controls: bool, chosen: argparse.Namespace) -> int:
    proxied = [
        ProxiedMock(ProxyVariant() if controls else HIDDEN, one)  # type: ignore[arg-type]
        for one in some
        if controls or not one.needs_controls  # type: ignore[attr-defined]
    ]
    found = run_trials(proxied, chosen.seed, chosen.jobs, more=OPTIONS)
    triggered = [one for one in found if one.triggered]
    killed = sum(bool(one.killer) for one in found)
    _print(f"{found[0].kind}: {rate(killed, len(found))} killed; {len(triggered)} triggered")
    return max(_report(one, not one.killer, "survived") for one in found)


def _report(one: Outcome, shown: object, word: str) -> int:
    if shown:
        description = FAULTS[one.name].description if one.name in FAULTS else one.test
        _print(
            f"{word}: {one.name} ({one.kind}): {description} {one.killer} "
            f"triggered {one.triggered} times"
        )
    return int(bool(shown))


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
