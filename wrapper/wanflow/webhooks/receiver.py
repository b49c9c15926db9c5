"""The receiver: it makes callback URLs, takes what comes to them, and finds out what is true."""

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
    """`unix` in seconds UTC; `ticks` in seconds of a clock that only goes forward."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Receiver:
    """Receives callbacks, and believes none before it has asked the API itself.

    Args:
        secrets: at least 16 random bytes, or several such, newest first: the first one signs new
            URLs, all of them verify, so that a secret is replaced by putting another before it.
        public_url: where the API reaches this receiver, such as https://example.org/callbacks.
        client: whom to ask. With a Client, `on_end` is called in a thread; with an AsyncClient,
            in the event loop that serves `app`.
        on_end: called once with each confirmed End; again only if it raised.
        belongs: whether a task (second) is a job's (first), None where that isn't known yet: a
            look into your table of jobs. Without it, `link_task` says it.
        store: which ends were taken; this process's memory by default.
        lifetime: seconds that a URL is good for, None for ever; a week by default.
        local: whether `public_url` may be http, or internal. The API refuses such URLs.
        rate: questions to the API a second, at most, whatever comes in.
        clock: for tests.

    Raises:
        ConfigurationError: a secret is too short, or the URL isn't public; `client` without
            `on_end`, or the other way round.
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
        self._sealer = UrlSigner(secrets)
        self._base = validate_public_url(public_url, allow_local=allow_local)
        self._lifetime = lifetime
        self._clock = clock or Clock()
        self._store = store or InMemoryStore(clock=self._clock.monotonic)
        self._bonds = TaskOwnership(is_job_of)
        self._announcer = WaitNotifier()
        self._desk = VerificationQueue(checks_per_second=max_checks_per_second)
        self._hands: Worker | None = None
        if (client is None) != (on_task_done is None):
            raise ConfigurationError("on_end needs a client to ask with, and a client an on_end")
        if client is not None and on_task_done is not None:
            self._hands = make_worker(
                client, WorkerContext(self._desk, self._store, on_task_done, self._clock.monotonic)
            )
        blocks = self._bonds.may_block or not isinstance(self._store, InMemoryStore)
        self.app = CallbackApp(self, self._hands, blocks=blocks)

    @property
    def max_body_bytes(self) -> int:
        """The bytes that the body of a callback may have."""
        return MAX_BODY_BYTES

    def url(self, job: str, kind: str = "task") -> str:
        """Make the callback URL of a job, to be submitted as `callback_url`.

        The URL shows job and kind to whoever sees it, and lets nobody change them.

        Args:
            job: your own name for what is submitted; the task's id isn't known yet.
            kind: a word of your own about it, which comes back with its end.

        Raises:
            InvalidRequest: there is no name, or it makes the URL longer than 2048 characters.
        """
        if not job:
            raise InvalidRequest("a callback URL needs the name of a job")
        expires = None if self._lifetime is None else int(self._clock.wall() + self._lifetime)
        return callback_url(self._base, self._sealer.sign(TokenData(job, kind, expires)))

    def link_task(self, job: str, task_id: str) -> None:
        """Say which task a job has become, as soon as it is submitted.

        A callback that comes earlier is answered with 503, and comes again a second later.
        """
        self._bonds.link(job, task_id, self._clock.monotonic())

    def verify(self, token: str, body: bytes) -> CallbackPayload:
        """Read a callback: the last segment of its path, and its body. Nothing is asked.

        What it says is a claim, made by somebody who knows the URL, and no more.

        Raises:
            Refused: the token is none of ours or has expired, or the body is no callback's.
        """
        return parse_payload(self.read_token(token), body)

    def read_token(self, token: str) -> TokenData:
        """Read a token alone.

        Raises:
            Refused: it is none of ours, or has expired.
        """
        return self._sealer.verify(token, now=self._clock.wall())

    def accept(self, payload: CallbackPayload) -> int:
        """Take a claim in, and return the status to answer with: 202, or 200 for a repeated one.

        Whoever waits for the task is told to look. The question to the API, if one is due, is
        left to the workers.

        Raises:
            Refused: the task isn't the job's, or too much is to be asked already.
        """
        now = self._clock.monotonic()
        if self._hands is None:
            return _ACCEPTED if self._announcer.notify(payload.task_id, now) else _REPEATED
        self._bonds.check(payload, now)
        if self._taken(payload):
            return _REPEATED
        self._announcer.notify(payload.task_id, now)
        return _ACCEPTED if self._desk.put(payload, now) else _REPEATED

    def handle_request(self, token: str, content_type: str | None, body: bytes) -> int:
        """Receive a callback in a framework that blocks, and return the status to answer with.

        Args:
            token: the last segment of the path.
            content_type: that header's value.
            body: at most `limit` bytes and one more; what is longer is refused.

        Raises:
            ConfigurationError: the receiver has an AsyncClient, which needs `app`.
        """
        if self._hands is not None and not isinstance(self._hands, ThreadWorker):
            raise ConfigurationError("post() needs a Client; with an AsyncClient, serve `app`")
        try:
            asgi.check_type(content_type)
            status = self.accept(self.verify(token, body))
        except CallbackRejected as no:
            return no.status
        if self._hands is not None:
            self._hands.start()
        return status

    def subscribe(self, subscriber: Callable[[str], object]) -> AbstractContextManager[None]:
        """Have `told` called, by any thread, with the id of each task that a callback tells of.

        It means "look now" and no more; the same task is told of ever less often, and what was
        told within the last hour at once.
        """
        return self._announcer.subscribe(subscriber)

    def record_end(self, task_id: str) -> None:
        """Say that a wait has seen a task end, by which callbacks are found to come or not."""
        self._announcer.record_end(task_id, self._clock.monotonic())

    def poll_factor(self, task_id: str) -> float:
        """Return by what the polling of a task may be slowed: 1 to 8, while callbacks come in time.

        It is 1 before any has come, after one that should have come hasn't, and for a task that
        was called about already.
        """
        return self._announcer.poll_factor(task_id, self._clock.monotonic())

    def close(self) -> None:
        """Ask nothing any more; waits that listen poll as if there were no receiver."""
        self._desk.close()
        self._announcer.close()

    def _taken(self, claim: CallbackPayload) -> bool:
        try:
            return self._store.seen(claim.key)
        except Exception:
            _log.exception("whether task %s was taken could not be found out", claim.task_id)
            raise CallbackRejected("the store of ends can't be read", status=503) from None

    def __repr__(self) -> str:
        return f"Receiver({self._base!r})"
