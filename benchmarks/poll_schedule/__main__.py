"""Compare polling schedules on every model of tasks: `python -m benchmarks.poll_schedule`.

Simulated, so the same on every machine. Without arguments the means over all models, on the tasks
that the rule was chosen on; with `--unseen` on other tasks; with `models` this library's figures
for each model.
"""

from __future__ import annotations

import sys
from functools import cache
from statistics import mean

from benchmarks.poll_schedule.schedules import PEERS, REFERENCE, Score, by_rule, by_schedule
from benchmarks.poll_schedule.tasks import DURATIONS, MODELS, SimulatedTask, tasks

from wanflow._core.poll_schedule import WORTH_OF_MANY

Model = tuple[str, str, str]
Seeds = tuple[int, ...]

COUNT = 60
CHOSEN_ON: Seeds = (0, 1, 2)
"""The seeds whose tasks the table is about."""
UNSEEN: tuple[Seeds, ...] = tuple((seed, seed + 1, seed + 2) for seed in range(1000, 1018, 3))
"""Seeds that the rule was not chosen on."""


def drawn(model: Model, seeds: Seeds = CHOSEN_ON) -> list[SimulatedTask]:
    """Return the tasks of a model."""
    return [task for seed in seeds for task in tasks(model, COUNT, seed)]


@cache
def ours(seeds: Seeds) -> dict[Model, Score]:
    """Return this library's score on each model."""
    return {model: by_rule(drawn(model, seeds)) for model in MODELS}


@cache
def peers(seeds: Seeds) -> dict[str, dict[str, Score]]:
    """Return each peer's score for each distribution of durations; peers use nothing else."""
    return {
        name: {
            duration: by_schedule(schedule, drawn((duration, "absent", "smooth"), seeds))
            for duration in DURATIONS
        }
        for name, schedule in PEERS.items()
    }


def shares(seeds: Seeds) -> tuple[float, float]:
    """Return our polls and our lag as shares of those of the reference, over all models."""
    reference = peers(seeds)[REFERENCE].values()
    scores = ours(seeds).values()
    polls = mean(one.polls for one in scores) / mean(one.polls for one in reference)
    return polls, mean(one.lag for one in scores) / mean(one.lag for one in reference)


def beaten(seeds: Seeds) -> list[str]:
    """Return the models on which a peer has both fewer polls and less lag, and which peer."""
    return [
        f"{' / '.join(model)}: {name}"
        for model, score in ours(seeds).items()
        for name, peer in peers(seeds).items()
        if peer[model[0]].polls < score.polls and peer[model[0]].lag < score.lag
    ]


def show(name: str, scores: list[Score]) -> None:
    """Print one line: polls per task, and seconds from a task's end to its detection."""
    polls, lag = mean(one.polls for one in scores), mean(one.lag for one in scores)
    print(f"{name:<55}{polls:9.2f}{lag:9.2f}")


def show_shares(seeds: Seeds) -> None:
    """Print one line for a set of seeds, and one for each model on which a peer is better."""
    polls, lag = shares(seeds)
    print(f"seeds {seeds}: {polls:.1%} of the polls of {REFERENCE}, at {lag:.1%} of its lag")
    for line in beaten(seeds):
        print(f"  beaten on {line}")


def main() -> None:
    """Print the table."""
    if sys.argv[1:] == ["--unseen"]:
        for seeds in UNSEEN:
            show_shares(seeds)
        return
    if sys.argv[1:] == ["models"]:
        for model, score in ours(CHOSEN_ON).items():
            show(" / ".join(model), [score])
    show("wanflow", list(ours(CHOSEN_ON).values()))
    many = [by_rule(drawn(model), worth=WORTH_OF_MANY) for model in MODELS]
    show("wanflow, a task that is one of many", many)
    for name, by_duration in peers(CHOSEN_ON).items():
        show(name, list(by_duration.values()))
    show("the minimum", [Score(1, 0)])
    show_shares(CHOSEN_ON)


if __name__ == "__main__":
    main()
