"""A check: a sentence that is true of every correct server, and the documents' source for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NoReturn

from attrs import field, frozen

if TYPE_CHECKING:
    from wanflow_contract.support.exchange import Exchange

REGISTRY: dict[str, Check] = {}
"""Every defined check, by name."""
LAST_FAILURE: deque[CheckFailed] = deque(maxlen=1)
"""The latest failure, for a test whose failure can't be reproduced."""


@frozen
class Check:
    """A check with a short name; `cites` is the sentence of the documents that it is based on."""

    name: str
    sentence: str
    cites: str = field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        """Register the check.

        Raises:
            ValueError: another check has the name.
        """
        if self.name in REGISTRY:
            raise ValueError(f"two checks are named {self.name}")
        REGISTRY[self.name] = self

    def fail(self, detail: str, *exchanges: Exchange, cites: str = "") -> NoReturn:
        """Fail the check.

        Args:
            detail: what was observed, and what was expected.
            exchanges: the requests that show the failure, in order.
            cites: the sentence of the documents for this case; by default the check's own.

        Raises:
            CheckFailed: always.
        """
        failure = CheckFailed(self, detail, exchanges, cites or self.cites)
        LAST_FAILURE.append(failure)
        raise failure

    def require(self, kept: object, detail: str, *exchanges: Exchange, cites: str = "") -> None:
        """Fail the check unless the condition is true.

        Raises:
            CheckFailed: the condition is false.
        """
        if not kept:
            self.fail(detail, *exchanges, cites=cites)


class CheckFailed(AssertionError):
    """A check failed; the message describes the finding, the exchanges reproduce it."""

    def __init__(
        self, check: Check, detail: str, exchanges: tuple[Exchange, ...], cites: str
    ) -> None:
        super().__init__(check, detail, exchanges, cites)
        self.check = check
        self.detail = detail
        self.exchanges = exchanges
        self.cites = cites

    def __str__(self) -> str:
        lines = [f"[{self.check.name}] {self.check.sentence}", f"  observed: {self.detail}"]
        if self.cites:
            lines.append(f"  source: {self.cites}")
        lines += [f"  {line}" for one in self.exchanges for line in one.format().splitlines()]
        return "\n".join(lines)
