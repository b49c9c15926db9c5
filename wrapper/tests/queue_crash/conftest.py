"""The queue, the mock and the workers of the other tests of queues."""

from __future__ import annotations

from tests.queue import conftest as queues

server, account, fault = queues.server, queues.account, queues.fault
proxy, proxied_queue = queues.proxy, queues.proxied_queue
queue, new_worker, worker, add_jobs = (
    queues.queue,
    queues.new_worker,
    queues.worker,
    queues.add_jobs,
)
