"""The receiver: makes callback URLs, accepts callbacks, and verifies them with the API."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.errors import ConfigurationError, InvalidRequest
from wanflow.webhooks import asgi
from wanflow.webhooks.asgi import CallbackApp
from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.events import MAX_BODY_BYTES, CallbackPayload, parse_payload
from wanflow.webhooks.notifier import WaitNotifier
from wanflow.webhooks.ownership import TaskOwnership
from wanflow.webhooks.store import DAY, InMemoryStore, Store
from wanflow.webhooks.url_tokens import TokenData, UrlSigner, callback_url, validate_public_url
from wanflow.webhooks.verification_queue import VerificationQueue
from wanflow.webhooks.workers import ThreadWorker, WorkerContext, make_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from wanflow.async_client import AsyncClient
    from wanflow.client import Client
    from wanflow.webhooks.events import TaskDone
    from wanflow.webhooks.workers import Worker

_log = logging.getLogger("wanflow")

_ACCEPTED = 202
_REPEATED = 200


@frozen
class Clock:
    """`wall` is Unix time; `monotonic` are seconds of a clock that never goes back."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Receiver:
    """Receives callbacks, and verifies each with the API before it reports a task as done.

    Args:
        secrets: at least 16 random bytes, or several such, newest first: the first one signs new
            URLs, all of them verify. To replace a secret, put the new one first.
        public_url: where the API reaches this receiver, such as https://example.org/callbacks.
        client: asks the API. With a Client, `on_task_done` is called in a thread; with an
            AsyncClient, in the event loop that serves `app`.
        on_task_done: called once with the TaskDone of each task that the API confirms to be
            done; called again only if it raised.
        is_job_of: whether a job (first) has a task (second), None if that isn't known yet; it may
            read your table of jobs. Without it, call `link_task`.
        store: which events were handled; in this process's memory by default.
        lifetime: seconds until a URL expires, None for never; a week by default.
        allow_local: whether `public_url` may be http or internal. The API rejects such URLs.
        max_checks_per_second: the maximum rate of status requests to the API.
        clock: for tests.

    Raises:
        ConfigurationError: a secret is too short, the URL isn't public, or only one of `client`
            and `on_task_done` is given.
    """

    def __init__(
        self,
        secrets: str | bytes | Sequence[str | bytes],
        public_url: str,
        *,
        client: Client | AsyncClient | None = None,
        on_task_done: Callable[[TaskDone], object] | None = None,
        is_job_of: Callable[[str, str], bool | None] | None = None,
        store: Store | None = None,
        lifetime: float | None = 7 * DAY,
        allow_local: bool = False,
        max_checks_per_second: float = 20.0,
        clock: Clock | None = None,
    ) -> None:
        self._signer = UrlSigner(secrets)
        self._base = validate_public_url(public_url, allow_local=allow_local)
        self._lifetime = lifetime
        self._clock = clock or Clock()
        self._store = store or InMemoryStore(clock=self._clock.monotonic)
        self._ownership = TaskOwnership(is_job_of)
        self._notifier = WaitNotifier()
        self._queue = VerificationQueue(checks_per_second=max_checks_per_second)
        self._worker: Worker | None = None
        if (client is None) != (on_task_done is None):
            raise ConfigurationError("give both client and on_task_done, or neither")
        if client is not None and on_task_done is not None:
            self._worker = make_worker(
                client, WorkerContext(self._queue, self._store, on_task_done, self._clock.monotonic)
            )
        blocks = self._ownership.may_block or not isinstance(self._store, InMemoryStore)
        self.app = CallbackApp(self, self._worker, blocks=blocks)

    @property
    def max_body_bytes(self) -> int:
        """The maximum size of a callback's body in bytes."""
        return MAX_BODY_BYTES

    def url(self, job: str, kind: str = "task") -> str:
        """Make the callback URL of a job, to be submitted as `callback_url`.

        Job and kind can be read from the URL, but not changed.

        Args:
            job: your own name for what is submitted, a new one for each task; the task's id
                isn't known yet.
            kind: your own label, which is returned with the event.

        Raises:
            InvalidRequest: the name is empty, or makes the URL longer than 2048 characters.
        """
        if not job:
            raise InvalidRequest("a callback URL needs the name of a job")
        expires = None if self._lifetime is None else int(self._clock.wall() + self._lifetime)
        return callback_url(self._base, self._signer.sign(TokenData(job, kind, expires)))

    def link_task(self, job: str, task_id: str) -> None:
        """Record the task of a job in memory; call it right after the submission.

        An earlier callback gets status 503, and the sender repeats it a second later. After a
        restart of the process the task is unknown: `is_job_of` can read a ledger or a table.

        Raises:
            InvalidRequest: the job has another task, which isn't known to be done.
        """
        now = self._clock.monotonic()
        self._ownership.link(job, task_id, now, self._is_done)

    def verify(self, token: str, body: bytes) -> CallbackPayload:
        """Parse a callback: the last segment of its path, and its body. No request is sent.

        The payload is unverified: anyone who knows the URL can send it.

        Raises:
            CallbackRejected: the token isn't valid or has expired, or the body isn't valid.
        """
        return parse_payload(self.read_token(token), body)

    def read_token(self, token: str) -> TokenData:
        """Verify and parse a token.

        Raises:
            CallbackRejected: it isn't valid, or has expired.
        """
        return self._signer.verify(token, now=self._clock.wall())

    def accept(self, payload: CallbackPayload) -> int:
        """Accept a callback and return the status to respond with: 202, or 200 for a repeated one.

        Waits for the task are notified. The workers ask the API, if it is to be asked.

        Raises:
            CallbackRejected: the task doesn't belong to the job, or the queue is full.
        """
        now = self._clock.monotonic()
        if self._worker is None:
            return _ACCEPTED if self._notifier.notify(payload.task_id, now) else _REPEATED
        self._ownership.check(payload, now)
        if self._is_handled(payload):
            return _REPEATED
        self._notifier.notify(payload.task_id, now)
        return _ACCEPTED if self._queue.put(payload, now) else _REPEATED

    def handle_request(self, token: str, content_type: str | None, body: bytes) -> int:
        """Receive a callback in a sync framework, and return the status to respond with.

        Args:
            token: the last segment of the path.
            content_type: that header's value.
            body: at most `max_body_bytes` + 1 bytes; one longer than `max_body_bytes` is rejected.

        Raises:
            ConfigurationError: the receiver has an AsyncClient, which needs `app`.
        """
        if self._worker is not None and not isinstance(self._worker, ThreadWorker):
            raise ConfigurationError(
                "handle_request() needs a Client; with an AsyncClient, serve `app`"
            )
        try:
            asgi.check_type(content_type)
            status = self.accept(self.verify(token, body))
        except CallbackRejected as error:
            return error.status
        if self._worker is not None:
            self._worker.start()
        return status

    def subscribe(self, subscriber: Callable[[str], object]) -> AbstractContextManager[None]:
        """Call `subscriber`, in any thread, with the task id of each callback, within the block.

        It only means "poll now". Repeated callbacks of one task notify less and less often;
        for callbacks of the last hour it is called immediately.
        """
        return self._notifier.subscribe(subscriber)

    def record_end(self, task_id: str) -> None:
        """Record that a wait has seen a task end, to measure how reliably callbacks arrive."""
        self._notifier.record_end(task_id, self._clock.monotonic())

    def poll_factor(self, task_id: str) -> float:
        """Return the factor, 1 to 8, by which polling of a task may be slowed.

        It is 1 before any callback has arrived, after one is missing, and for a task whose
        callback has already arrived.
        """
        return self._notifier.poll_factor(task_id, self._clock.monotonic())

    def close(self) -> None:
        """Stop asking the API; waits poll as if there were no receiver."""
        self._queue.close()
        self._notifier.close()

    def _is_done(self, job: str, task_id: str) -> bool:
        return self._store.seen(CallbackPayload(job, "", task_id).key)

    def _is_handled(self, payload: CallbackPayload) -> bool:
        try:
            return self._store.seen(payload.key)
        except Exception:
            _log.exception("the store could not be read for task %s", payload.task_id)
            raise CallbackRejected("the store can't be read", status=503) from None

    def __repr__(self) -> str:
        return f"Receiver({self._base!r})"
