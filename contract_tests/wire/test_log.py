"""Laws of the log: under `wanflow`, one line an event, and nothing that a server could use."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
from contract_tests.wire.rude_server import ID, RudeServer, answers, http, says, task
from contract_tests.wire.test_promises import KEY, body, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

FORGED = "slow down\nERROR:wanflow:you were charged 1000\r\n\x1b[31mred\u2028" + KEY
REFUSED = {"error": {"message": FORGED, "type": FORGED, "fallback_suggestion": FORGED}}
PAGE = says(http(200, f"<html>{FORGED}".encode(), "Content-Type: text/html"))
BROKEN = says(f"HTTP/1.1 200 OK\r\nbad {FORGED} header\r\n\r\n".encode(), keep=False)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log as a file of it would be."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def test_each_event_is_one_line_without_secrets(colour: Any, lines: io.StringIO) -> None:
    """A refusal, the submission, each fault that is borne, a strange word: a line each, in order.

    Whatever the server says, it can neither forge a line nor have the key in one.
    """
    looks = [
        answers(503, REFUSED),
        PAGE,
        BROKEN,
        answers(200, {"id": ID, "status": FORGED, "progress": 99}),
        task("completed"),
    ]
    accepted = {"id": ID, "status": "pending", "progress": 99}
    submissions = [answers(503, REFUSED, "Retry-After: 0"), answers(200, accepted)]
    with RudeServer(post=submissions, get=looks) as server:
        client = quick(colour, server)
        done = colour.do(client.submit, body())
        colour.do(done.wait, 60)
    text = lines.getvalue()
    assert KEY not in text
    ours = [line for line in text.splitlines() if ":wanflow:" in line[:20]]
    assert [line.split(":")[0] for line in ours] == ["INFO", "INFO", *["WARNING"] * 4]
    assert all(ID in line for line in ours[1:])
    assert all(line.isprintable() for line in ours)
    assert "sent again in" in ours[0]
    assert "unknown status" in ours[-1]
    assert not any(line.startswith(("ERROR", "\x1b")) for line in text.splitlines())


def test_an_id_that_the_server_made_up_forges_no_line(colour: Any, lines: io.StringIO) -> None:
    """The id comes from the answer to the submission, and is logged as it came, on one line."""
    forged = f"{ID}\nERROR:wanflow:forged"
    with RudeServer(post=[answers(200, {"id": forged, "status": "pending"})]) as server:
        made = colour.do(quick(colour, server).submit, body())
    assert made.id == forged
    assert not any(line.startswith("ERROR") for line in lines.getvalue().splitlines())


def test_a_quiet_task_logs_its_submission_alone(colour: Any, lines: io.StringIO) -> None:
    """Looks that learn something are no events of the log."""
    accepted = {"id": ID, "status": "pending", "progress": 99}
    looks = [task("processing"), task("completed")]
    with RudeServer(post=[answers(200, accepted)], get=looks) as server:
        colour.do(colour.do(quick(colour, server).submit, body()).wait, 60)
    ours = [line for line in lines.getvalue().splitlines() if ":wanflow:" in line[:20]]
    assert len(ours) == 1
    assert ours[0].endswith(f"as task {ID}")
