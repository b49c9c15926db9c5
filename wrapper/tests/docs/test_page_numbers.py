"""The numbers in the sentences of pages are those of the code."""

from __future__ import annotations

import re

import pytest

from tests.core.test_waiting import FakeDriver, in_turn, outcome_of, response
from tests.docs.pages import DOCS, ROOT
from wanflow import errors
from wanflow._config import DEFAULT_POLL_RATE, MAX_POLL_RATE
from wanflow._core.poll_schedule import _MAX_DELAY, _MIN_DELAY
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._core.retry_policy import UNREACHABLE_WINDOW
from wanflow._core.snapshot import LINK_LIFETIME
from wanflow._notebook import MAX_EMBEDDED
from wanflow._storage.download_buffer import _BUFFER_SIZE
from wanflow.batch.models import DEFAULT_MAX_CONCURRENCY
from wanflow.cli.worker import worker
from wanflow.mcp_server.results import MAX_IMAGE_BYTES
from wanflow.mcp_server.settings import MAX_CALL_SECONDS
from wanflow.queue.database import IDLE_LIMIT
from wanflow.queue.steps import _LONGEST_POLLING, MAX_TRIES, RESEND_WINDOW
from wanflow.queue.worker import _LIMIT, DEFAULT_LEASE, DEFAULT_POLLS, DEFAULT_SUBMISSIONS
from wanflow.uploads import LINK_LIFETIME as SIGNED_FOR
from wanflow.webhooks.events import MAX_BODY_BYTES
from wanflow.webhooks.notifier import _MAX_CONFIDENCE
from wanflow.webhooks.receiver import Receiver
from wanflow.webhooks.server import MAX_CONNECTIONS

WORDS = {0.5: "half a second", 3: "three", 8: "eight"}
RATE, MOST = f"{DEFAULT_POLL_RATE:.0f}", f"{MAX_POLL_RATE:.0f}"
SLOWED = 2**_MAX_CONFIDENCE
HOURS = f"{LINK_LIFETIME / 3600:.0f} hours"
CHECKS = (Receiver.__init__.__kwdefaults__ or {})["max_checks_per_second"]
ENDS = [
    status
    for status in range(400, 600)
    if not isinstance(
        outcome_of(FakeDriver(in_turn([response(status, {"error": {}})])), 5), errors.WaitTimeout
    )
]
NUMBERS = {
    "polling.md": [
        f"An interval is {WORDS[_MIN_DELAY]} at least and {_MAX_DELAY:.0f} seconds at most",
        f"so the rate begins at {RATE} polls a second",
        f"up to {MOST}. A 429 halves it",
        f"polls up to {WORDS[SLOWED]} times less often",
        "a 5xx, or a body that isn't a task is tolerated until the timeout",
        f"Only {ENDS[0]} to {ENDS[-1]} end a wait",
    ],
    "callbacks.md": [
        f"(up to {SLOWED} times)",
        f"is larger than {MAX_BODY_BYTES // 1024} KiB",
        f"at most {CHECKS:.0f} times a second (`max_checks_per_second=`)",
        f"has at most {MAX_CONNECTIONS} connections",
    ],
    "queue.md": [
        f"It starts at {RATE} calls a second. A 429 halves it and pauses all",
        f"without one it grows up to {MOST}.",
        f"within {RESEND_WINDOW:.0f} s of the intent",
        f"have a lease ({DEFAULT_LEASE:.0f} s)",
        f"is free after {IDLE_LIMIT:.0f} s",
        f"to a statement for {_LIMIT:.0f} s (two thirds of a shorter lease)",
        f"A step failed {WORDS[MAX_TRIES]} times",
        f"had not ended after {_LONGEST_POLLING / 3600:.0f} hours",
        f"| `--submissions` | {DEFAULT_SUBMISSIONS} |",
        f"| `--polls` | {DEFAULT_POLLS} |",
        f"| `--lease` | {DEFAULT_LEASE:.0f} s |",
        f"a key gets at most {MOST} calls a second",
    ],
    "many-jobs.md": [
        f"({DEFAULT_MAX_CONCURRENCY} at most)",
        f"({DEFAULT_MAX_CONCURRENCY} by default)",
    ],
    "library.md": [f"sent again for up to {UNREACHABLE_WINDOW:.0f} s, else `ConnectionFailed`"],
    "agents.md": [
        f"at most {MAX_CALL_SECONDS:.0f} seconds (`seconds`)",
        f"A call ends after {MAX_CALL_SECONDS:.0f} seconds",
        f"up to {MAX_IMAGE_BYTES >> 20} MiB in all",
    ],
    "uploads.md": [f"A presigned link is valid for {SIGNED_FOR / 3600:.0f} hours"],
    "object-storage.md": [f"Up to {_BUFFER_SIZE // 1024} KB of a file are in memory"],
    "frameworks.md": [f"up to {MAX_EMBEDDED >> 20} MiB each"],
    "index.md": [f"links expire after {HOURS}"],
    "tutorial.md": [f"The links of results expire after {HOURS}"],
    "resume.md": [f"Links expire after {HOURS}"],
}
# Where every number is one of the code's; what isn't is an example, a formula, or how it is tested.
COMPLETE = {
    "polling.md": ["*p / 2*", "(30 %, 40 %, …)"],
    "paid-once.md": [],
}


def text_of(name: str) -> str:
    """Return a page in one line."""
    return " ".join((DOCS / name).read_text("utf-8").split())


@pytest.mark.parametrize(("name", "phrase"), [(n, p) for n in NUMBERS for p in NUMBERS[n]])
def test_a_page_has_the_number_of_the_code(name: str, phrase: str) -> None:
    """In the sentence that says what it is."""
    assert phrase in text_of(name)


@pytest.mark.parametrize("name", COMPLETE)
def test_no_other_number_is_in_a_page_about_why(name: str) -> None:
    """A number that nothing checks would become untrue."""
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|\b\d\. ", "", text_of(name))
    for phrase in (*NUMBERS.get(name, []), *COMPLETE[name]):
        text = text.replace(phrase.replace("`", ""), "")
    assert re.findall(r"\S*\d\S*", text) == []


def test_what_ends_a_wait_is_one_range() -> None:
    """The page says "400 to 404"."""
    assert list(range(ENDS[0], ENDS[-1] + 1)) == ENDS


def test_a_429_halves_the_rate() -> None:
    """As two pages say."""
    limiter = PollRateLimiter(DEFAULT_POLL_RATE, max_rate=MAX_POLL_RATE)
    limiter.on_rate_limited(1e6, None)
    assert limiter.rate == DEFAULT_POLL_RATE / 2


def test_the_options_of_a_worker_have_the_defaults_of_its_class() -> None:
    """They are written in both."""
    defaults = {one.name: one.default for one in worker.params}
    found = [defaults[name] for name in ("submissions", "polls", "lease")]
    assert found == [DEFAULT_SUBMISSIONS, DEFAULT_POLLS, DEFAULT_LEASE]


def test_a_page_counts_its_own_cases_and_mechanisms() -> None:
    """ "Three cases" stand above three rows, "Four mechanisms" above four points."""
    text = (DOCS / "paid-once.md").read_text("utf-8")
    table = text.partition("There are three cases:\n\n")[2].partition("\n\n")[0]
    assert len(table.splitlines()) - 2 == 3
    points = text.partition("## Four mechanisms\n")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d)\. ", points, re.MULTILINE) == ["1", "2", "3", "4"]


def test_the_minutes_of_the_readme_are_enough_for_what_was_measured() -> None:
    """On idle cores: the last column of the results of `benchmarks.from_nothing`."""
    shown = re.findall(r"^\| \*\*.*?\| (\d+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    results = (ROOT / "benchmarks/RESULTS.md").read_text()
    section = results.partition("\n## From nothing to a result\n")[2].partition("\n## ")[0]
    assert "`python -m benchmarks.from_nothing`" in section
    measured = re.findall(r"^\| (?:generate|test).*\| (\d+) s \|$", section, re.MULTILINE)
    assert len(shown) == len(measured) == 3
    assert all(int(least) <= int(one) * 60 for one, least in zip(shown, measured, strict=True))
