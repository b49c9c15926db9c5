"""The program `wanflow`, killed at a named point, or some time after it began to work."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from tests.crash.failpoints import Failpoint, kill
from wanflow._transport import client as transport
from wanflow.cli import main
from wanflow.ledger import Ledger

KILLS = Path(os.environ["WANFLOW_TEST_KILLS"])


def counted_kill() -> None:
    """Kill this process, and add a byte to the file that counts it."""
    with KILLS.open("ab", buffering=0) as file:
        file.write(b".")
    kill()


POINT = Failpoint(os.environ["WANFLOW_TEST_POINT"], 1, counted_kill)
DELAY = float(os.environ["WANFLOW_TEST_DELAY"])


def _with_point(name: str) -> None:
    method = getattr(Ledger, name)

    def step(self: Ledger, *args: Any, **more: Any) -> Any:
        if DELAY and name in {"record_intent", "claim"}:
            threading.Timer(DELAY, counted_kill).start()
        return POINT.around(name, lambda: method(self, *args, **more))

    setattr(Ledger, name, step)


def _with_point_in_transport() -> None:
    send = transport.AsyncTransport.send

    async def step(self: Any, *args: Any, **more: Any) -> Any:
        POINT.at("before submit")
        response = await send(self, *args, **more)
        POINT.at("after submit")
        return response

    transport.AsyncTransport.send = step  # type: ignore[method-assign]


if __name__ == "__main__":
    for _name in os.environ["WANFLOW_TEST_NAMES"].split():
        _with_point(_name)
    _with_point_in_transport()
    main(prog_name="wanflow")
