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
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from wanflow._core.effects import Flow
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

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

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
        return submission.submit(order, retry_for=self._settings.retry_for)

    def query(self, task_id: str) -> Flow[Snapshot]:
        """Look once."""
        return waiting.query(_gateway.query(self.catalog, task_id), task_id)

    def wait(self, task_id: str, timeout: float, on_update: OnUpdate) -> Flow[Snapshot]:
        """Look until the end."""
        request = _gateway.query(self.catalog, task_id)
        return waiting.wait(request, task_id, timeout=_seconds(timeout), on_update=on_update)

    def run(
        self,
        order: Order,
        *,
        out: str | PathLike[str] | None,
        timeout: float,
        on_update: OnUpdate,
    ) -> Flow[tuple[Snapshot, list[Path]]]:
        """Submit, wait, save."""
        return whole.run(
            order,
            retry_for=self._settings.retry_for,
            timeout=_seconds(timeout),
            on_update=on_update,
            query_of=lambda task_id: _gateway.query(self.catalog, task_id),
            save=None if out is None else lambda ended: self.download(ended, out),
        )

    def download(
        self,
        snapshot: Snapshot,
        folder: str | PathLike[str],
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Flow[list[Path]]:
        """Save what the links lead to."""
        return downloading.download(
            downloading.Parcel(
                task_id=snapshot.id,
                links=snapshot.results,
                folder=Path(folder),
                limit=downloading.DEFAULT_LIMIT if limit is None else limit,
                timeout=downloading.DEFAULT_TIMEOUT if timeout is None else _seconds(timeout),
                expires=_expiry(snapshot),
            )
        )


def _expiry(snapshot: Snapshot) -> float | None:
    return None if snapshot.created is None else snapshot.created + LINK_LIFE.total_seconds()


def _seconds(timeout: float) -> float:
    if not 0 <= timeout < float("inf"):
        raise ConfigurationError(f"timeout must be 0 or more seconds, and finite (got {timeout})")
    return timeout
