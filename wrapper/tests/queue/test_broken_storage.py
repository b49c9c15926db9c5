"""Files of jobs go to a storage whose connections break in the middle of an object."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.any_model import model_name
from tests.queue.manual_worker import enqueue
from tests.sockets import Relay
from tests.uploads.conftest import BUCKET, object_names, use_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account

_PASSED = 700
"""So many bytes of a request are passed on before its connection is cut."""


class CuttingStorage(Relay):
    """Passes connections on to a storage, and cuts the first `cuts` PUT requests."""

    def __init__(self, url: str) -> None:
        self.cuts = self.done = 0
        parts = urlsplit(url)
        super().__init__(lambda: socket.create_connection((parts.hostname or "", parts.port or 80)))
        self.url = f"http://127.0.0.1:{self.port}"

    def cut(self, part: bytes) -> int | None:
        """Cut a request that begins."""
        if not part.startswith(b"PUT ") or self.done >= self.cuts:
            return None
        self.done += 1
        return _PASSED


@pytest.fixture
def cutting(s3_url: str, s3: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[CuttingStorage]:
    """A storage on the way to which requests can be cut; the environment has its address."""
    del s3
    made = CuttingStorage(s3_url)
    use_s3(monkeypatch, made.url)
    yield made
    made.close()


def test_puts_that_are_cut_in_the_middle_leave_nothing_and_end_as_whole_objects(
    queue: str,
    server: MockServer,
    api_key: str,
    worker: ManualWorker,
    account: Account,
    cutting: CuttingStorage,
    s3: Any,
) -> None:
    jobs = [{"model": model_name("image"), "prompt": f"a cat {number}"} for number in range(3)]
    enqueue(queue, server, api_key, jobs, f"s3://{BUCKET}/run1")
    cutting.cuts = 3
    worker.drain()
    assert cutting.done == 3
    assert worker.states() == {"saved": 3}
    assert account.submitted == 3
    sizes = dict(worker.execute("SELECT name, size FROM wanflow.file"))
    assert len(sizes) == 3
    found = [name for name in object_names(s3) if name.startswith("run1/task-")]
    assert {name.partition("/")[2] for name in found} == set(sizes)
    for name in found:
        content = s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        assert len(content) == sizes[name.partition("/")[2]]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
