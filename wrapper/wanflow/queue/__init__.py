"""Jobs in a queue in PostgreSQL, run by workers on any number of machines. Extra `queue`."""

from __future__ import annotations

from importlib.util import find_spec

if any(find_spec(name) is None for name in ("psycopg", "pgqueuer")):
    raise ModuleNotFoundError(
        "a queue needs PgQueuer and psycopg: pip install 'wanflow[queue]'", name="pgqueuer"
    )

from wanflow.batch.models import StopSignal
from wanflow.queue.callbacks import QueueCallbacks
from wanflow.queue.worker import Worker

__all__ = ["QueueCallbacks", "StopSignal", "Worker"]
