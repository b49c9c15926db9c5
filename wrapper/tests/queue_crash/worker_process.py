"""A worker in a process of its own, which kills or stops itself at a named point at random.

Arguments: the queue's URL, the base URL, the key, the spool folder, the lease, the timeout of a
request, the submissions in flight, the name of the point ("-" for none), the probability, and the
name of the signal.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

from wanflow import AsyncClient
from wanflow._core.effects import SendTracker
from wanflow.queue import StopSignal, Worker
from wanflow.queue.database import DatabaseLost
from wanflow.queue.engine import Engine
from wanflow.queue.recorder import StepRecorder

# The class and the method at which the process is killed, and whether before or after the call.
POINTS: dict[str, tuple[type[Any], str, bool]] = {
    "a step was taken": (Engine, "take", False),
    "an intent is written": (StepRecorder, "record_intent", True),
    "an intent is committed and nothing was sent": (SendTracker, "begin", True),
    "the first byte is sent": (SendTracker, "begin", False),
    "a response came and isn't written": (StepRecorder, "record_accepted", True),
    "a response is written and not committed": (Engine, "put", False),
    "files are saved and not recorded": (StepRecorder, "record_files", True),
    "files are recorded and not committed": (Engine, "finish", False),
}


def signal_at(point: str, probability: float, number: signal.Signals) -> None:
    """Let the process send itself a signal at a point."""
    owner, name, before = POINTS[point]
    method = getattr(owner, name)

    @wraps(method)
    def signaling(*arguments: Any, **more: Any) -> Any:
        chosen = random.random() < probability
        if chosen and before:
            os.kill(os.getpid(), number)
        value = method(*arguments, **more)
        if chosen:
            os.kill(os.getpid(), number)
        return value

    setattr(owner, name, signaling)


def main() -> None:
    """Run until SIGTERM."""
    queue, base_url, key, spool, lease, timeout, submissions, *given = sys.argv[1:]
    point, probability, name = given
    if point != "-":
        signal_at(point, float(probability), signal.Signals[name])
    stop = StopSignal()
    signal.signal(signal.SIGTERM, partial(_stop, stop))
    client = AsyncClient(key, base_url, timeout=float(timeout))
    while not stop.is_set:
        # A supervisor would start it again.
        with suppress(DatabaseLost):
            worker = Worker(
                client,
                queue,
                submissions=int(submissions),
                lease=float(lease),
                spool=Path(spool),
            )
            worker.run(stop)
            return
        time.sleep(0.2)


def _stop(stop: StopSignal, *_: object) -> None:
    stop.set()


if __name__ == "__main__":
    main()
