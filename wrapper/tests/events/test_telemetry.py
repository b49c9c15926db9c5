"""OpenTelemetry: spans and metrics of each operation."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.any_model import model_name
from tests.client.fast_clock import with_fast_clock
from wanflow import DownloadFailed, SubmitUncertain, TaskFailed, events
from wanflow.telemetry import Telemetry

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from wanflow.mock import MockServer

MODEL = model_name("image")
PROMPT = "a lake that nobody knows of"


class Collected:
    """A Telemetry whose spans and metrics are kept in memory."""

    def __init__(self, **options: Any) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        meters = MeterProvider([self._reader])
        self.telemetry = Telemetry(tracer_provider=self.tracers, meter_provider=meters, **options)

    def client(self, runner: Any, mock: MockServer, **options: Any) -> Any:
        return with_fast_clock(
            runner.client(
                api_key=mock.api_key, base_url=mock.base_url, on_event=self.telemetry, **options
            )
        )

    def spans(self, first_word: str = "") -> list[ReadableSpan]:
        """Return the spans whose names begin with a word."""
        found = self._spans.get_finished_spans()
        return [span for span in found if span.name.startswith(first_word)]

    def metrics(self) -> dict[str, list[Any]]:
        """Return the data points of each metric."""
        data = self._reader.get_metrics_data()
        scopes = [scope for one in data.resource_metrics for scope in one.scope_metrics]
        return {one.name: list(one.data.data_points) for each in scopes for one in each.metrics}


def request(directives: str = "") -> dict[str, Any]:
    return {"model": MODEL, "prompt": f"{PROMPT}{directives}"}


def test_a_run_has_short_spans_that_are_linked(
    runner: Any, mock: MockServer, tmp_path: Path
) -> None:
    """Submit, a wait for each status, and download; the others link to the submission."""
    collected = Collected()
    client = collected.client(runner, mock)
    result = runner.do(client.run, request(" [mock:progression=polls=5]"), output_dir=tmp_path)
    (submit,), waits, (download,) = map(collected.spans, ("submit", "wait", "download"))
    assert submit.name == f"submit {MODEL}"
    assert [wait.attributes["wanflow.status"] for wait in waits] == ["processing", "completed"]
    for span in (*waits, download):
        assert [link.context.span_id for link in span.links] == [submit.context.span_id]
        assert span.parent is None
    for span in collected.spans():
        assert span.kind is SpanKind.CLIENT
        assert span.status.status_code is StatusCode.UNSET
        assert span.attributes["gen_ai.provider.name"] == "wanflow"
        assert span.attributes["gen_ai.request.model"] == MODEL
        assert span.attributes["gen_ai.response.id"] == result.task_id
        assert 0 <= span.end_time - span.start_time < 5e9, "a span of minutes"
    assert submit.attributes["gen_ai.operation.name"] == "generate_content"
    assert submit.attributes["gen_ai.output.type"] == "image"
    last = waits[-1].attributes
    assert last["wanflow.polls"] == 5
    assert last["wanflow.wait.duration"] > 2, "the clock that skips pauses counts them"
    assert last["wanflow.credits"] == submit.attributes["wanflow.credits"] > 0


def test_spans_are_children_of_the_users_span(runner: Any, mock: MockServer) -> None:
    """Of the one that is current where the client is called, in threads, too."""
    collected = Collected()
    client = collected.client(runner, mock)
    tracer = collected.tracers.get_tracer("test")

    if runner.name == "sync":
        with tracer.start_as_current_span("mine") as mine:
            client.wait_all([client.submit(request()) for _ in range(3)])
    else:

        async def act() -> Any:
            with tracer.start_as_current_span("mine") as mine:
                await client.wait_all([await client.submit(request()) for _ in range(3)])
            return mine

        mine = runner._portal.call(act)
    others = collected.spans("submit") + collected.spans("wait")
    assert len(collected.spans("submit")) == 3
    assert {span.parent.span_id for span in others} == {mine.get_span_context().span_id}


@pytest.mark.parametrize("record", [False, True], ids=["by default", "asked for"])
def test_a_prompt_is_recorded_only_if_asked_for(
    record: bool, runner: Any, mock: MockServer
) -> None:
    """In `gen_ai.input.messages` of the submission, and nowhere else."""
    collected = Collected(record_prompts=record)
    runner.do(collected.client(runner, mock).run, request())
    (submit,) = collected.spans("submit")
    text = "".join(span.to_json() for span in collected.spans())
    assert (PROMPT in text) == record
    if record:
        (message,) = json.loads(submit.attributes["gen_ai.input.messages"])
        assert message == {"role": "user", "parts": [{"type": "text", "content": PROMPT}]}


def test_errors_are_on_the_spans_that_they_end(runner: Any, mock: MockServer) -> None:
    """With a name of few values as `error.type`."""
    collected = Collected()
    client = collected.client(runner, mock, timeout=2.0)
    with pytest.raises(TaskFailed):
        runner.do(client.run, request(" [mock:fail=content_policy_violation]"))
    with pytest.raises(SubmitUncertain):
        runner.do(client.submit, request(" [mock:fault=lost-response]"))
    failed = [span for span in collected.spans() if span.status.status_code is StatusCode.ERROR]
    assert [(span.name.split()[0], span.attributes["error.type"]) for span in failed] == [
        ("wait", "content_policy_violation"),
        ("submit", "SubmitUncertain"),
    ]
    assert [event.name for event in failed[1].events] == ["submission_uncertain"]


def test_a_retry_is_an_event_of_its_span(runner: Any, mock: MockServer, tmp_path: Path) -> None:
    """With the seconds of its pause; the span has the number of attempts."""
    collected = Collected()
    client = collected.client(runner, mock)
    with pytest.raises(DownloadFailed):
        runner.do(client.run, request(" [mock:download-fault=reset]"), output_dir=tmp_path)
    (download,) = collected.spans("download")
    assert download.attributes["wanflow.attempts"] == 5
    names = [event.name for event in download.events]
    assert names == [*["transport_failed", "retry"] * 4, "transport_failed"]
    retries = [event for event in download.events if event.name == "retry"]
    assert all(event.attributes["wanflow.delay"] > 0 for event in retries)


def test_metrics_count_what_happened(runner: Any, mock: MockServer, tmp_path: Path) -> None:
    """Submissions, polls, credits, durations and sizes, by model and outcome."""
    collected = Collected()
    client = collected.client(runner, mock)
    seen: list[Any] = []
    both = client.with_options(
        on_event=lambda event: (
            collected.telemetry(event),
            seen.append(event) if isinstance(event, events.Submitted) else None,
        )
    )
    result = runner.do(both.run, request(" [mock:progression=polls=3]"), output_dir=tmp_path)
    with pytest.raises(TaskFailed):
        runner.do(client.run, request(" [mock:fail=service_error]"))
    found = collected.metrics()
    (accepted,) = found["wanflow.client.submissions"]
    assert accepted.value == 2
    assert accepted.attributes == {"wanflow.outcome": "accepted", "gen_ai.request.model": MODEL}
    (polls,) = found["wanflow.client.polls"]
    assert polls.attributes == {"wanflow.outcome": "ok"}
    assert polls.value >= 4
    (operation,) = found["gen_ai.client.operation.duration"]
    assert operation.count == 2
    assert operation.attributes["gen_ai.operation.name"] == "generate_content"
    waits = {one.attributes.get("error.type"): one for one in found["wanflow.client.wait.duration"]}
    assert {error: one.count for error, one in waits.items()} == {None: 1, "service_error": 1}
    completed = [p for p in found["wanflow.client.credits"] if "error.type" not in p.attributes]
    assert [point.value for point in completed] == [seen[0].credits]
    (size,) = found["wanflow.client.download.size"]
    assert size.sum == sum(path.stat().st_size for path in result.paths)


@pytest.mark.processes
def test_without_the_extra_the_error_names_it() -> None:
    """The client works without it."""
    code = """
import sys
sys.modules["opentelemetry"] = None
from wanflow import Client
Client("a-key", "https://api.test")
try:
    import wanflow.telemetry
except ImportError as error:
    assert "pip install 'wanflow[otel]'" in str(error), error
else:
    raise AssertionError("it was imported")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.processes
def test_the_extra_needs_only_the_api() -> None:
    """The SDK is the program's choice; without one nothing is recorded, and nothing fails."""
    code = """
import sys
sys.modules["opentelemetry.sdk"] = None
from wanflow import events
from wanflow.telemetry import Telemetry
telemetry = Telemetry()
fields = {"operation": "submit", "model": "m", "idempotency_key": "k"}
telemetry(events.SubmitStarted(1.0, **fields))
telemetry(events.Submitted(2.0, **fields, task_id="t", attempt=1, duration=1.0))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
