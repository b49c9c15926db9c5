"""Files whose links die first are saved first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow._core.effects import Done, Instant, Join, Now, Start
from wanflow._core.snapshot import Snapshot
from wanflow.batch.engine import SAVE, SUBMIT, Engine
from wanflow.batch.planning import Planned
from wanflow.batch.prices import Prices
from wanflow.batch.terms import Terms
from wanflow.spec.catalog import packaged_catalog

if TYPE_CHECKING:
    from pathlib import Path

CREATED = {1: 300, 2: 500, 3: 100, 4: 200}
"""When the task of each line was made."""


class Work:
    catalog = packaged_catalog()


class NothingKnown:
    def named(self, name: str) -> list[Any]:
        return []


@define
class Steps:
    """Steps that are names; whoever plays the engine ends them in an order of its own."""

    terms: Terms
    work: Work = field(factory=Work)
    ledger: NothingKnown = field(factory=NothingKnown)

    def submit(self, item: Any) -> Any:
        return None

    wait = save = submit


def test_what_expires_first_is_saved_first(tmp_path: Path) -> None:
    """With one place to save in, the others queue by when their links die, not by their line."""
    engine = Engine(Steps(Terms(tmp_path, 1.0, saves=1)), Prices())  # type: ignore[arg-type]
    jobs = [Planned(line, f"job {line}", "m", {}, b"") for line in CREATED]
    begun: dict[str, list[Any]] = {"submit": [], "wait": [], "save": []}
    flow = engine.run(jobs)
    effect, answer = next(flow), None
    while True:
        match effect:
            case Start((step, item)):
                begun[step].append(item)
                answer = None
            case Now():
                answer = Instant(0.0, 0.0)
            case Join():
                answer = _next_end(begun)
            case _:
                answer = effect.function()
        try:
            effect = flow.send(answer)
        except StopIteration:
            break
    assert [outcome.planned.line for outcome in engine.outcomes] == [1, 3, 4, 2]


def _next_end(begun: dict[str, list[Any]]) -> Done:
    """End whatever comes before saving first, so that all tasks end while one is saved."""
    step = next(step for step in begun if begun[step])
    item = begun[step].pop(0)
    line = item.planned.line
    status = "pending" if step == SUBMIT else "completed"
    snapshot = Snapshot(f"task-{line}", status, created=CREATED[line])
    return Done((step, item), () if step == SAVE else snapshot)
