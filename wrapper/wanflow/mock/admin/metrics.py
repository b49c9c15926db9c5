"""The mock's metrics in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wanflow.mock.admin.journal import Journal
    from wanflow.mock.gateway.gateway import Gateway


def prometheus_text(gateway: Gateway, journal: Journal) -> str:
    """Return the counts and seconds of requests, and the tasks by status."""
    now = gateway.clock.now()
    gateway.tasks.forget(now)
    tasks = Counter(task.phase(now).name for task in gateway.tasks)
    lines = [
        *_head("wanflow_mock_requests_total", "counter", "Requests by operation and status."),
        *(
            f'wanflow_mock_requests_total{{operation="{operation}",status="{status}"}} {count}'
            for (operation, status), count in sorted(journal.counts.items())
        ),
        *_head("wanflow_mock_request_seconds_total", "counter", "Seconds spent on requests."),
        *(
            f'wanflow_mock_request_seconds_total{{operation="{operation}"}} {seconds:.6f}'
            for operation, seconds in sorted(journal.seconds.items())
        ),
        *_head("wanflow_mock_tasks", "gauge", "Stored tasks by status."),
        *(
            f'wanflow_mock_tasks{{status="{name}"}} {count}'
            for name, count in sorted(tasks.items())
        ),
    ]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
