"""Everything that `--json` prints fits one published schema, which has a version."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from tests.cli.helpers import IMAGE, SCHEMA, VIDEO
from tests.queue.manual_worker import QUEUE_EVENTS
from tests.webhooks.test_listen import LISTEN_EVENTS
from wanflow import errors
from wanflow.cli import main
from wanflow.cli.error_report import CommandContext, report_error
from wanflow.cli.exit_codes import EXIT_CODES, UNEXPECTED
from wanflow.cli.json_output import SCHEMA_VERSION, json_schema
from wanflow.ledger.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.helpers import CommandResult

    Command = Callable[..., CommandResult]

DOCUMENT = json.loads(json_schema())
EVENTS = [branch["$ref"].rpartition("/")[2] for branch in DOCUMENT["oneOf"]]
DOCS = Path(__file__).parents[3] / "docs" / "cli-json.md"
REQUEST = (IMAGE, "--prompt", "x")
COMMANDS: list[tuple[str, ...]] = [
    ("models",),
    ("check", *REQUEST),
    ("run", *REQUEST, "--dry-run"),
    ("run", VIDEO, "--prompt", "[mock:progression=polls=2] x", "-o", "out"),
    ("batch", "-", "-o", "batch"),
    ("submit", *REQUEST),
    ("status", "LAST"),
    ("wait", "LAST"),
    ("download", "LAST", "-o", "out"),
    ("submit", *REQUEST),
    ("ledger", "resume", "-o", "out"),
    ("estimate", *REQUEST),
    ("ledger", "list"),
    ("ledger", "show", "1"),
    ("ledger", "show", "no-such-job"),
]


def test_the_schema_is_printed() -> None:
    """`wanflow --json-schema` prints it, and its version is the one of each event."""
    done = CliRunner().invoke(main, ["--json-schema"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, DOCUMENT)
    assert DOCUMENT["properties"]["schema"]["const"] == SCHEMA_VERSION


def test_the_page_lists_each_event() -> None:
    """And no other."""
    rows = re.findall(r"^\| (`.*?) \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(EVENTS)


def json_commands(group: click.Group, *names: str) -> Iterator[tuple[str, ...]]:
    """Find the commands that have `--json`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from json_commands(command, *names, name)
        elif any("--json" in option.opts for option in getattr(command, "params", ())):
            yield (*names, name)


def test_each_command_with_json_is_tried() -> None:
    """Here, or in the tests of `listen`, `drift` and `queue`; a model is no other command."""
    tried = {command_of(words) for words in (*COMMANDS, ("listen",), ("drift",), ("queue",))}
    assert {command_of(words) for words in json_commands(main)} == tried


def command_of(words: tuple[str, ...]) -> tuple[str, ...]:
    return words[: 2 if words[0] == "ledger" else 1]


def test_each_command_prints_events_of_the_schema(
    wanflow: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    """Every event but those of `listen`, `drift` and `queue` is printed here, and fits."""
    environment["WANFLOW_LEDGER"] = str(tmp_path / "l.db")
    jobs = [
        {"model": IMAGE, "prompt": p, "key": p} for p in ("x", "[mock:fail=generation_timeout]")
    ]
    lines = "\n".join(map(json.dumps, jobs))
    seen: set[str] = set()
    last = ""
    for words in COMMANDS:
        done = wanflow(*(last if word == "LAST" else word for word in words), "--json", stdin=lines)
        assert done.events, words
        seen |= {event["event"] for event in done.events}
        last = done.events[-1].get("task_id") or last
    assert set(EVENTS) - seen == LISTEN_EVENTS | QUEUE_EVENTS | {"drift"}


CAUSES = [(end.kind, cause) for end in EXIT_CODES for cause in end.causes]


@pytest.mark.parametrize(("kind", "cause"), CAUSES, ids=lambda one: getattr(one, "__name__", one))
def test_each_kind_of_failure_is_an_event_of_the_schema(
    kind: str, cause: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """With every attribute that such an error can have."""
    error: Any = cause.__new__(cause)
    error.args = ("it failed",)
    error.message = "it failed"
    extra = {"task_id": "task-1", "status": 404, "code": "x", "retry_after": 1.5, "retryable": True}
    if issubclass(cause, errors.WanflowError):
        error.__dict__.update(extra, snapshot=None, last_error=None, violations=())
    error.__dict__.setdefault("ctx", None)
    code = report_error(error, CommandContext(as_json=True))
    event = json.loads(capsys.readouterr().out)
    SCHEMA.validate(event)
    assert (event["event"], event["kind"], event["exit_code"]) == ("error", kind, code)


def test_the_schema_knows_each_kind_and_each_state() -> None:
    """A new one must be added to it."""
    kinds = DOCUMENT["$defs"]["error"]["properties"]["kind"]["enum"]
    assert set(kinds) == {UNEXPECTED.kind, *(end.kind for end in EXIT_CODES)}
    states = DOCUMENT["$defs"]["recorded_job"]["properties"]["state"]["enum"]
    assert set(states) == set(map(str, JobState))
