"""What was asked and answered lately: a bounded list, and counts of everything since the start."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock.exchange import Exchange


_MOST_BODY = 2000


class Entry(NamedTuple):
    """One exchange: when by the mock's clock, what was asked, and how it ended.

    `verdict` is why it was refused, empty where it wasn't; `body` is the request's, cut short;
    `status` is 0 where no answer was sent; `account` is a digest of the key; `seconds` are the
    machine's.
    """

    number: int
    at: float
    method: str
    path: str
    operation: str
    status: int
    seconds: float
    account: str
    task_id: str
    faults: str
    verdict: str
    parameter: str
    body: str


@define(eq=False)
class Journal:
    """The latest exchanges, `most` of them, and a count by operation and status of all."""

    most: int = 1000
    counts: Counter[tuple[str, int]] = field(factory=Counter[tuple[str, int]], repr=False)
    seconds: defaultdict[str, float] = field(factory=lambda: defaultdict(float), repr=False)
    _written: int = 0
    _latest: deque[Entry] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Bound the list."""
        self._latest = deque(maxlen=self.most)

    def write(self, at: float, exchange: Exchange, status: int, seconds: float) -> None:
        """Note an exchange that has ended."""
        operation = exchange.operation or ""
        self._written += 1
        self.counts[operation, status] += 1
        self.seconds[operation] += seconds
        refusal, account = exchange.refusal, exchange.account
        self._latest.append(
            Entry(
                self._written,
                at,
                exchange.request.method,
                exchange.request.path[:300],
                operation,
                status,
                seconds,
                "" if account is None else account.name,
                (exchange.task_id or "")[:100],
                str(exchange.faults) if exchange.faults.all else "",
                "" if refusal is None else (refusal.note or refusal.message or "")[:300],
                "" if refusal is None else refusal.param or "",
                exchange.body[:_MOST_BODY].decode("utf-8", "replace"),
            )
        )

    def clear(self) -> None:
        """Forget the entries; the counts go on."""
        self._latest.clear()

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._latest))

    def __len__(self) -> int:
        return len(self._latest)
