"""One client's work, in no colour: every public method as the flow that does it.

Both colours hold one of these and a driver, and their methods only bring the two together.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow import _gateway
from wanflow._flows import downloading, submission, waiting, whole
from wanflow._flows.order import Wish, place_order
from wanflow._flows.recording import Recording
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from wanflow._core.effects import Flow
    from wanflow._core.recorder import Recorder
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.order import Order
    from wanflow._flows.waiting import OnUpdate
    from wanflow._settings import Settings
    from wanflow.spec.catalog import Catalog
    from wanflow.spec.rules import Rules

# The documents: "Generated video links are valid for 24 hours, please save them promptly".
LINK_LIFE = timedelta(hours=24)


class Work:
    """The flows of one client, with its settings and the rules of the documents filled in."""

    def __init__(self, settings: Settings, recorder: Recorder | None = None) -> None:
        self._settings = settings
        self.recording = Recording(recorder, settings.base_url)

    @property
    def rules(self) -> Rules:
        """The rules of the documents, read when first needed."""
        from wanflow.spec.rules import packaged_rules  # noqa: PLC0415 - it costs 20 ms to import

        return packaged_rules()

    @property
    def catalog(self) -> Catalog:
        """The models and operations of the documents."""
        return self.rules.catalog

    def order(
        self,
        request: object | None,
        parameters: Mapping[str, Any],
        model: str | None,
        extra: Mapping[str, Any] | None,
        validate: bool,
        idempotency_key: str | None,
    ) -> Order:
        """Check a request and make it ready to be sent."""
        key = idempotency_key if idempotency_key is not None else uuid.uuid4().hex
        wish = Wish(request, model, parameters, extra, validate, key)
        return place_order(self.rules, wish)

    def submit(self, order: Order) -> Flow[Snapshot]:
        """Submit."""
        return self.recording.submission(order, self._submission(order))

    def query(self, task_id: str) -> Flow[Snapshot]:
        """Look once."""
        return waiting.query(_gateway.query(self.catalog, task_id), task_id)

    def wait(self, task_id: str, timeout: float, on_update: OnUpdate) -> Flow[Snapshot]:
        """Look until the end."""
        request, seconds = _gateway.query(self.catalog, task_id), _seconds(timeout)
        return self.recording.wait(
            task_id,
            on_update,
            lambda told: waiting.wait(request, task_id, timeout=seconds, on_update=told),
        )

    def run(
        self,
        order: Order,
        *,
        out: str | PathLike[str] | None,
        timeout: float,
        on_update: OnUpdate,
    ) -> Flow[tuple[Snapshot, list[Path]]]:
        """Submit, wait, save."""
        seconds, folder = _seconds(timeout), None if out is None else Path(out)
        flow = self._submission(order)
        return whole.run(
            self.recording.submission(order, flow, folder=folder, hold=True),
            on_update=on_update,
            wait=lambda task_id: self.wait(task_id, seconds, on_update),
            save=None if folder is None else lambda ended: self.download(ended, folder),
        )

    def download(
        self,
        snapshot: Snapshot,
        folder: str | PathLike[str],
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Flow[list[Path]]:
        """Save what the links lead to."""
        parcel = downloading.Parcel(
            task_id=snapshot.id,
            links=snapshot.results,
            folder=Path(folder),
            limit=downloading.DEFAULT_LIMIT if limit is None else limit,
            timeout=downloading.DEFAULT_TIMEOUT if timeout is None else _seconds(timeout),
            expires=_expiry(snapshot),
        )
        flow = downloading.download(parcel)
        return self.recording.saving(parcel.task_id, parcel.folder, flow)

    def _submission(self, order: Order) -> Flow[Snapshot]:
        return submission.submit(order, retry_for=self._settings.retry_for)


def _expiry(snapshot: Snapshot) -> float | None:
    return None if snapshot.created is None else snapshot.created + LINK_LIFE.total_seconds()


def _seconds(timeout: float) -> float:
    if not 0 <= timeout < float("inf"):
        raise ConfigurationError(f"timeout must be 0 or more seconds, and finite (got {timeout})")
    return timeout
