"""Compare schedules of looks on every model of tasks: `python -m benchmarks.pacing`.

Simulated, so the same on every machine. Without arguments the means over all models; with
`models`, this library's figures for each.
"""

from __future__ import annotations

import sys
from statistics import mean

from benchmarks.pacing.schedules import PEERS, Score, by_rule, by_schedule
from benchmarks.pacing.tasks import MODELS, SimulatedTask, tasks

COUNT, SEEDS = 60, (0, 1, 2)


def drawn(model: tuple[str, str, str]) -> list[SimulatedTask]:
    """Return the tasks of a model that the figures are of."""
    return [task for seed in SEEDS for task in tasks(model, COUNT, seed)]


def show(name: str, scores: list[Score]) -> None:
    """Print one line: looks a task, and seconds from a task's end to its detection."""
    polls, lag = mean(one.polls for one in scores), mean(one.lag for one in scores)
    print(f"{name:<55}{polls:9.2f}{lag:9.2f}")


def main() -> None:
    """Print the table."""
    ours = {model: by_rule(drawn(model)) for model in MODELS}
    if sys.argv[1:] == ["models"]:
        for model, score in ours.items():
            show(" / ".join(model), [score])
    show("wanflow", list(ours.values()))
    for name, schedule in PEERS.items():
        show(name, [by_schedule(schedule, drawn(model)) for model in MODELS])
    show("the floor", [Score(1, 0)])


if __name__ == "__main__":
    main()
