"""`mutants.md`: what each mutant does, which check killed it, and the kill rate."""

from __future__ import annotations

from collections import defaultdict
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from self_tests.mutation.mutant import Mutant
    from self_tests.mutation.runner import Outcome

_Z = 1.96


def wilson(killed: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate, after Wilson."""
    if not of:
        return 0.0, 1.0
    rate, square = killed / of, _Z * _Z
    middle = rate + square / (2 * of)
    spread = _Z * sqrt(rate * (1 - rate) / of + square / (4 * of * of))
    return (middle - spread) / (1 + square / of), (middle + spread) / (1 + square / of)


def rate(killed: int, of: int) -> str:
    """Return a rate with its interval: `78 of 80 (91-99 %)`."""
    low, high = wilson(killed, of)
    return f"{killed} of {of} ({100 * low:.0f}-{100 * high:.0f} %)"


def render(
    outcomes: Mapping[int, Sequence[Outcome]],
    mutants: Mapping[str, Mutant],
    unproven: Sequence[str],
    baseline: Mapping[str, bool],
    version: int,
    minutes: float,
    earlier: int = 0,
) -> str:
    """Return the page; `outcomes` by seed, `baseline` has the mutants that Schemathesis killed.

    `earlier` is how many outcomes are of earlier runs, which ended before all mutants were tried.
    """
    first = next(iter(outcomes.values()))
    lines = [
        "# Mutants",
        "",
        f"Made by one `make mutants` of {minutes:.0f} minutes from version {version} of the set;",
        *(
            [f"{earlier} outcomes are of earlier runs, which this one went on with;"]
            * bool(earlier)
        ),
        "don't edit it. Each row is the mock with one fault, tested through its published",
        "interface by the tests marked `fast`, up to the first finding. A fault counts only if a",
        "short script shows it. Times and requests are those of the first seed, which runs the",
        "tests in their own order. With the other seeds, the test that killed a mutant before runs",
        "first, and the rest only if it doesn't kill again. A kill by a test that took as long as",
        "a time-out counts only if that test, run alone, fails again, and passes on the mock.",
        "",
        *_summary(outcomes, baseline),
        "",
        "## Survivors",
        "",
        *(_survivors(outcomes, mutants) or ["None."]),
        "",
        "## By class",
        "",
        *_classes(first, baseline),
        "",
        "## Faults",
        "",
        "| fault | what is wrong | class | reached | triggered | killed by | requests | seconds |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(one, mutants[one.name]) for one in first),
    ]
    if unproven:
        lines += ["", "Not counted, because no script shows them: " + ", ".join(unproven) + "."]
    return "\n".join(lines) + "\n"


def _summary(
    outcomes: Mapping[int, Sequence[Outcome]], baseline: Mapping[str, bool]
) -> Iterable[str]:
    yield "| seed | killed | median seconds to the kill | of them CPU | median requests |"
    yield "|---|---|---|---|---|"
    for number, (seed, found) in enumerate(outcomes.items()):
        killed = [one for one in found if one.killer]
        seconds = median(one.seconds for one in killed) if killed else 0
        requests = median(one.requests for one in killed) if killed else 0
        cpu = median(one.cpu for one in killed) if killed else 0
        took = f"{seconds:.2f} | {cpu:.2f} | {requests:.0f}" if number == 0 else "| |"
        yield f"| {seed} | {rate(len(killed), len(found))} | {took} |"
    if baseline:
        yield ""
        yield f"`schemathesis run` with default settings, same run: {_baseline_rate(baseline)}."
        yield "It ran on a sample of every class, and takes about 8 s for each."
        yield "What it also reports on the unmodified mock doesn't count."


def _baseline_rate(baseline: Mapping[str, bool]) -> str:
    return rate(sum(baseline.values()), len(baseline))


def _survivors(
    outcomes: Mapping[int, Sequence[Outcome]], mutants: Mapping[str, Mutant]
) -> list[str]:
    seeds = defaultdict[str, list[int]](list)
    for seed, found in outcomes.items():
        for one in found:
            if not one.killer:
                seeds[one.name].append(seed)
    return [f"- `{name}`: {mutants[name].description} (seeds {at})" for name, at in seeds.items()]


def _classes(found: Sequence[Outcome], baseline: Mapping[str, bool]) -> Iterable[str]:
    yield "| class | killed | Schemathesis alone |"
    yield "|---|---|---|"
    for kind in dict.fromkeys(one.kind for one in found):
        ours = [one for one in found if one.kind == kind]
        theirs = [baseline[one.name] for one in ours if one.name in baseline]
        other = rate(sum(theirs), len(theirs)) if theirs else "not run"
        yield f"| {kind} | {rate(sum(bool(one.killer) for one in ours), len(ours))} | {other} |"


def _row(one: Outcome, mutant: Mutant) -> str:
    description = mutant.description.replace("|", "\\|")
    killer = f"`{one.killer}`" if one.killer else "**survived**"
    return (
        f"| `{one.name}` | {description} | {one.kind} | {one.reached} | {one.triggered} "
        f"| {killer} | {one.requests} | {one.seconds:.2f} |"
    )
