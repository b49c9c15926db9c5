"""Apply the faults that come before a response: delays, and those that replace it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.fault import Fault, FaultSet, Stage

if TYPE_CHECKING:
    from wanflow.mock.faults.rules import FaultRules


class ConnectionFault(Exception):
    """No regular response is sent; `fault` says what happens instead."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


async def inject(faults: FaultSet, rules: FaultRules) -> None:
    """Apply delays, then a fault that replaces the response.

    Raises:
        HTTPError: the fault is a status, such as `status=503` or `task-not-found`.
        ConnectionFault: the fault breaks the connection, or sends an HTML page.
    """
    if not faults.all:
        return
    pause = rules.delay(faults)
    if pause:
        await asyncio.sleep(pause)
    fault = faults.at(Stage.INSTEAD_OF_RESPONSE)
    if fault is None:
        return
    match fault.name:
        case "status":
            raise HTTPError(int(fault.value))
        case "task-not-found":
            raise HTTPError(404)
        case _:
            raise ConnectionFault(fault)
