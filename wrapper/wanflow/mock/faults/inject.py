"""Let the faults strike that come before an answer: pauses, and what happens in its place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.fault import Fault, FaultSet, Stage

if TYPE_CHECKING:
    from wanflow.mock.faults.rules import FaultRules


class ConnectionFault(Exception):
    """There is to be no proper answer: `fault` says what there is instead."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


async def inject(faults: FaultSet, rules: FaultRules) -> None:
    """Wait as long as the faults say, then have happen what they want instead of an answer.

    Raises:
        Refusal: a status is wanted, as `status=503` or `lost-task`.
        Struck: the connection is to be broken, or a page of HTML sent.
    """
    if not faults.all:
        return
    pause = faults.seconds("latency") + rules.jitter(faults.seconds("jitter"))
    if pause:
        await asyncio.sleep(pause)
    fault = faults.at(Stage.INSTEAD_OF_RESPONSE)
    if fault is None:
        return
    match fault.name:
        case "status":
            raise HTTPError(int(fault.value))
        case "lost-task":
            raise HTTPError(404)
        case _:
            raise ConnectionFault(fault)
