"""OpenTelemetry spans and metrics of a client, made from its events.

    client = Client(on_event=Telemetry())

A submission, a download of a file and an upload are one span each. A wait takes minutes, and is no
span: each poll that found another status, or ended the wait, is a short one, with a link to the
span of the submission. So no span is lost with a process that ends, and none is so long that it
falls out of a sampler. The time of a wait is an attribute of its last span, and a histogram.

Attributes are those of the semantic conventions for generative AI (`gen_ai.*`), and `wanflow.*`.
No prompt is recorded unless `record_prompts` is true. It needs the extra `otel`.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, frozen

from wanflow import events
from wanflow._core.header_rules import package_version
from wanflow._fork_safety import renew_in_children

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode
except ImportError as error:
    raise ImportError(
        f"wanflow.telemetry needs {error.name}; run: pip install 'wanflow[otel]'"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
    from opentelemetry.trace import Span, SpanContext, Tracer, TracerProvider

__all__ = ["Telemetry"]

E = TypeVar("E", bound=events.Event)

_MAX_TASKS = 10_000
"""Tasks whose submissions are remembered, to link their waits."""
_NANOSECONDS = 1_000_000_000
# Seconds: requests take less than one, tasks take minutes.
_DURATIONS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900, 1800)
_CREDITS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SIZES = tuple(4**power * 1024 for power in range(12))


@frozen(eq=False)
class _Submission:
    """What later spans of a task need of its submission; `credits` are those that it reserved."""

    model: str
    context: SpanContext
    credits: float | None


@define(eq=False)
class _Wait:
    """A wait: its last poll, and the status that its last span has."""

    last: events.Event
    status: str | None = None


class Telemetry:
    """Makes spans and metrics of the events of clients; pass it as their `on_event`.

    Several clients and threads may share one.

    Args:
        tracer_provider: makes the spans; by default the global one.
        meter_provider: makes the metrics; by default the global one.
        record_prompts: whether the span of a submission has the prompt, in
            `gen_ai.input.messages`.
        provider_name: the `gen_ai.provider.name` of all spans and metrics.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        record_prompts: bool = False,
        provider_name: str = "wanflow",
    ) -> None:
        self.wants_prompts = record_prompts
        self._provider = provider_name
        self._tracer: Tracer = trace.get_tracer(
            "wanflow", package_version(), tracer_provider=tracer_provider
        )
        self._metrics = _Metrics(
            metrics.get_meter("wanflow", package_version(), meter_provider=meter_provider),
            provider_name,
        )
        self._submissions: OrderedDict[str, _Submission] = OrderedDict()
        self._open: dict[Hashable, Span] = {}
        self._waits: dict[str | None, _Wait] = {}
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.Polled: self._polled,
            events.PollFailed: self._polled,
            events.TransportFailed: self._transport_failed,
            events.SubmitStarted: self._submit_started,
            events.SubmissionRejected: self._attempted,
            events.SubmissionUncertain: self._attempted,
            events.RetryScheduled: self._retry_scheduled,
            events.RateLimitReached: self._metrics.count_rate_limit,
            events.Submitted: self._submitted,
            events.AlreadySubmitted: self._already_submitted,
            events.SubmitFailed: self._submit_failed,
            events.WaitStarted: self._wait_started,
            events.StatusChanged: self._status_changed,
            events.Completed: self._wait_ended,
            events.Failed: self._wait_ended,
            events.WaitTimedOut: self._wait_ended,
            events.WaitFailed: self._wait_ended,
            events.Interrupted: self._interrupted,
            events.UploadStarted: self._upload_started,
            events.Uploaded: self._upload_ended,
            events.UploadFailed: self._upload_ended,
            events.DownloadStarted: self._download_started,
            events.Saved: self._download_ended,
            events.DownloadFailed: self._download_ended,
        }
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Start with no open spans: those of a parent process are its own."""
        self._lock = threading.Lock()
        self._open, self._waits = {}, {}

    def __call__(self, event: events.Event) -> None:
        """Take an event."""
        handle = self._handlers.get(type(event))
        if handle is not None:
            handle(event)

    # Polls: there are many, and one that changes nothing costs only this.

    def _polled(self, event: events.Polled | events.PollFailed) -> None:
        self._count_poll(event)

    def _transport_failed(self, event: events.TransportFailed) -> None:
        if event.operation in {"wait", "poll"}:
            self._count_poll(event)
        else:
            self._attempted(event)

    def _count_poll(self, event: events.Event) -> None:
        with self._lock:
            self._metrics.polls[event.kind] += 1
        wait = self._waits.get(event.task_id)
        if wait is not None:
            wait.last = event

    # Submissions.

    def _submit_started(self, event: events.SubmitStarted) -> None:
        attributes: dict[str, Any] = {
            **self._common("generate_content", event.model),
            "wanflow.idempotency_key": event.idempotency_key,
        }
        if event.output is not None:
            attributes["gen_ai.output.type"] = event.output
        if event.prompt is not None:
            attributes["gen_ai.input.messages"] = _as_message(event.prompt)
        self._start(event.idempotency_key, f"submit {event.model}", event, attributes)

    def _attempted(
        self,
        event: events.SubmissionRejected | events.SubmissionUncertain | events.TransportFailed,
    ) -> None:
        key = event.idempotency_key or (event.task_id, getattr(event, "position", None))
        span = self._open.get(key)
        if span is not None:
            fields = {
                "wanflow.attempt": event.attempt,
                "wanflow.duration": event.duration,
                "http.response.status_code": getattr(event, "http_status", None),
                "wanflow.reason": getattr(event, "reason", None),
            }
            span.add_event(event.kind, _known(fields), timestamp=_nanoseconds(event.time))

    def _submitted(self, event: events.Submitted) -> None:
        self._metrics.count_submission("accepted", event.model)
        self._metrics.record_operation("generate_content", event.model, event.duration, None)
        fields = {
            "wanflow.credits": event.credits,
            "wanflow.attempts": event.attempt,
            "wanflow.request_id": event.request_id,
        }
        self._accepted(event, fields)

    def _already_submitted(self, event: events.AlreadySubmitted) -> None:
        self._metrics.count_submission("known", event.model)
        self._accepted(event, {"wanflow.attempts": 0})

    def _accepted(
        self, event: events.Submitted | events.AlreadySubmitted, fields: dict[str, Any]
    ) -> None:
        span = self._open.pop(event.idempotency_key, None)
        if span is not None:
            span.set_attributes(_known({"gen_ai.response.id": event.task_id, **fields}))
            self._remember(event, span)
            self._end(span, event)

    def _submit_failed(self, event: events.SubmitFailed) -> None:
        outcome = "uncertain" if event.uncertain else "rejected"
        self._metrics.count_submission(outcome, event.model)
        self._metrics.record_operation("generate_content", event.model, event.duration, event.error)
        span = self._open.pop(event.idempotency_key, None)
        if span is not None:
            span.set_attributes(
                _known(
                    {
                        "wanflow.attempts": event.attempts,
                        "wanflow.uncertain": event.uncertain,
                        "gen_ai.response.id": event.task_id,
                    }
                )
            )
            self._end(span, event, event.error)

    # Waits.

    def _wait_started(self, event: events.WaitStarted) -> None:
        self._waits[event.task_id] = _Wait(event)

    def _status_changed(self, event: events.StatusChanged) -> None:
        wait = self._waits.get(event.task_id)
        if wait is not None and wait.status != event.status:
            wait.status = event.status
            self._wait_span(event, wait, {"wanflow.status": event.status}, None)

    def _wait_ended(
        self, event: events.Completed | events.Failed | events.WaitTimedOut | events.WaitFailed
    ) -> None:
        wait = self._waits.pop(event.task_id, None) or _Wait(event)
        model = getattr(event, "model", None) or self._model_of(event)
        error = _error_of(event)
        credits = self._credits_of(event)  # noqa: A001 - the API's word
        fields = {
            "wanflow.status": event.kind,
            "wanflow.wait.duration": event.duration,
            "wanflow.polls": event.polls,
            "wanflow.credits": credits,
            "wanflow.links": getattr(event, "links", None),
            "wanflow.failure_code": getattr(event, "code", None),
            "wanflow.request_id": getattr(event, "request_id", None),
            "gen_ai.response.model": getattr(event, "model", None),
        }
        self._wait_span(event, wait, fields, error)
        self._metrics.record_wait(event, model, credits, error)

    def _wait_span(
        self, event: events.Event, wait: _Wait, fields: dict[str, Any], error: str | None
    ) -> None:
        model = self._model_of(event)
        last = wait.last
        start = last.time - float(getattr(last, "duration", 0.0) or 0.0)
        attributes = {
            **self._common("wait", model),
            "gen_ai.response.id": event.task_id,
            **_known(fields),
        }
        span = self._tracer.start_span(
            " ".join(filter(None, ("wait", model))),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=self._links(event),
            start_time=_nanoseconds(start),
        )
        self._end(span, event, error)

    # Uploads and downloads.

    def _upload_started(self, event: events.UploadStarted) -> None:
        attributes = {**self._common("upload", None), "wanflow.parameter": event.parameter}
        self._start((event.idempotency_key, event.path), "upload", event, attributes)

    def _upload_ended(self, event: events.Uploaded | events.UploadFailed) -> None:
        span = self._open.pop((event.idempotency_key, event.path), None)
        if span is not None:
            self._end(span, event, _error_of(event))

    def _download_started(self, event: events.DownloadStarted) -> None:
        attributes = {
            **self._common("download", self._model_of(event)),
            "gen_ai.response.id": event.task_id,
            "wanflow.position": event.position,
            "wanflow.count": event.count,
        }
        key = (event.task_id, event.position)
        self._start(key, "download", event, attributes, self._links(event))

    def _download_ended(self, event: events.Saved | events.DownloadFailed) -> None:
        error = _error_of(event)
        size = event.size if isinstance(event, events.Saved) else None
        self._metrics.record_download(event.duration, size, error)
        span = self._open.pop((event.task_id, event.position), None)
        if span is not None:
            fields = {"wanflow.attempts": event.attempts, "wanflow.size": size}
            span.set_attributes(_known(fields))
            self._end(span, event, error)

    # All of them.

    def _retry_scheduled(self, event: events.RetryScheduled) -> None:
        self._metrics.count_retry(event)
        span = self._open.get(event.idempotency_key or (event.task_id, event.position))
        if span is not None:
            fields = {"wanflow.attempt": event.attempt, "wanflow.delay": event.delay}
            span.add_event("retry", _known(fields), timestamp=_nanoseconds(event.time))

    def _interrupted(self, event: events.Interrupted) -> None:
        if event.operation == "wait":
            wait = self._waits.pop(event.task_id, None)
            if wait is not None:
                fields = {"wanflow.wait.duration": event.duration}
                self._wait_span(event, wait, fields, event.error)
            return
        span = self._open.pop(event.idempotency_key, None)
        if span is not None:
            if event.maybe_sent is not None:
                span.set_attribute("wanflow.maybe_sent", event.maybe_sent)
            self._end(span, event, event.error)

    def _common(self, operation: str, model: str | None) -> dict[str, Any]:
        return _attributes(operation, self._provider, model)

    def _start(
        self,
        key: Hashable,
        name: str,
        event: events.Event,
        attributes: dict[str, Any],
        links: Iterable[Link] = (),
    ) -> None:
        self._open[key] = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=list(links),
            start_time=_nanoseconds(event.time),
        )

    def _end(self, span: Span, event: events.Event, error: str | None = None) -> None:
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(event.time))

    def _remember(self, event: events.Submitted | events.AlreadySubmitted, span: Span) -> None:
        if event.task_id is not None:
            reserved = event.credits if isinstance(event, events.Submitted) else None
            known = _Submission(event.model, span.get_span_context(), reserved)
            self._submissions[event.task_id] = known
            if len(self._submissions) > _MAX_TASKS:
                self._submissions.popitem(last=False)

    def _submission_of(self, event: events.Event) -> _Submission | None:
        return self._submissions.get(event.task_id or "")

    def _model_of(self, event: events.Event) -> str | None:
        known = self._submission_of(event)
        return None if known is None else known.model

    def _links(self, event: events.Event) -> list[Link]:
        known = self._submission_of(event)
        return [] if known is None else [Link(known.context)]

    def _credits_of(
        self, event: events.Completed | events.Failed | events.WaitTimedOut | events.WaitFailed
    ) -> float | None:
        """Return what a task cost: as its end says, else as its submission reserved."""
        match event:
            case events.Completed(credits=None):
                known = self._submission_of(event)
                return None if known is None else known.credits
            case events.Completed(credits=reported) | events.Failed(credits=reported):
                return reported
            case _:
                return None


class _Metrics:
    """The instruments. Polls are counted here and read when metrics are collected."""

    def __init__(self, meter: Meter, provider: str) -> None:
        self._provider = provider
        self.polls: Counter[str] = Counter()
        meter.create_observable_counter(
            "wanflow.client.polls", [self._observe_polls], unit="{poll}", description="Polls."
        )
        self._submissions = meter.create_counter(
            "wanflow.client.submissions", unit="{submission}", description="Submissions."
        )
        self._retries = meter.create_counter(
            "wanflow.client.retries", unit="{retry}", description="Retries after errors."
        )
        self._rate_limits = meter.create_counter(
            "wanflow.client.rate_limits", unit="{response}", description="Responses 429."
        )
        self._credits = meter.create_counter(
            "wanflow.client.credits", unit="{credit}", description="Credits of ended tasks."
        )
        self._task_credits = _histogram(meter, "wanflow.client.task.credits", "{credit}", _CREDITS)
        self._operations = _histogram(meter, "gen_ai.client.operation.duration", "s", _DURATIONS)
        self._waits = _histogram(meter, "wanflow.client.wait.duration", "s", _DURATIONS)
        self._downloads = _histogram(meter, "wanflow.client.download.duration", "s", _DURATIONS)
        self._sizes = _histogram(meter, "wanflow.client.download.size", "By", _SIZES)

    def count_submission(self, outcome: str, model: str) -> None:
        """Count a submission by its outcome."""
        self._submissions.add(1, {"wanflow.outcome": outcome, "gen_ai.request.model": model})

    def count_retry(self, event: events.RetryScheduled) -> None:
        """Count a retry by its operation."""
        self._retries.add(1, {"wanflow.operation": event.operation})

    def count_rate_limit(self, event: events.RateLimitReached) -> None:
        """Count a response 429 by its operation."""
        self._rate_limits.add(1, {"wanflow.operation": event.operation})

    def record_operation(
        self, operation: str, model: str, seconds: float, error: str | None
    ) -> None:
        """Record the duration of a submission."""
        attributes = _attributes(operation, self._provider, model, error)
        self._operations.record(seconds, attributes)

    def record_wait(
        self,
        event: events.Completed | events.Failed | events.WaitTimedOut | events.WaitFailed,
        model: str | None,
        credits: float | None,  # noqa: A002 - the API's word
        error: str | None,
    ) -> None:
        """Record the duration of a wait, and the credits of its task."""
        attributes = _attributes("wait", self._provider, model, error)
        self._waits.record(event.duration, attributes)
        if credits is not None:
            self._credits.add(credits, attributes)
            self._task_credits.record(credits, attributes)

    def record_download(self, seconds: float, size: int | None, error: str | None) -> None:
        """Record the duration of a download, and its size in bytes."""
        attributes = {} if error is None else {"error.type": error}
        self._downloads.record(seconds, attributes)
        if size is not None:
            self._sizes.record(size, attributes)

    def _observe_polls(self, _: CallbackOptions) -> Iterator[Observation]:
        for name, count in list(self.polls.items()):
            outcome = {"polled": "ok", "poll_failed": "error"}.get(name, "no_response")
            yield metrics.Observation(count, {"wanflow.outcome": outcome})


def _histogram(meter: Meter, name: str, unit: str, boundaries: Iterable[float]) -> Any:
    return meter.create_histogram(
        name, unit=unit, explicit_bucket_boundaries_advisory=list(boundaries)
    )


def _attributes(
    operation: str, provider: str, model: str | None, error: str | None = None
) -> dict[str, Any]:
    return _known(
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "error.type": error,
        }
    )


def _error_of(event: events.Event) -> str | None:
    """Return a name of few values for what ended an operation, None where it succeeded."""
    match event:
        case events.Failed(code=code):
            return code or "failed"
        case events.WaitTimedOut():
            return "timeout"
        case events.WaitFailed(error=error) | events.DownloadFailed(error=error):
            return error
        case events.UploadFailed(error=error):
            return error
        case _:
            return None


def _as_message(prompt: str) -> str:
    part = {"type": "text", "content": prompt}
    return json.dumps([{"role": "user", "parts": [part]}], ensure_ascii=False)


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)
