"""Text of a server, in any field, neither breaks a command nor controls the terminal."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from tests.cli.helpers import IMAGE
from tests.examples import examples
from tests.transport.hostile_text import HostileServer, Responses, is_harmless, responses, serving
from wanflow.cli.exit_codes import EXIT_CODES, UNEXPECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.helpers import CommandResult

CODES = {0, *(end.code for end in EXIT_CODES)} - {UNEXPECTED.code, 130}


@pytest.fixture(scope="module")
def api() -> Iterator[HostileServer]:
    with serving() as server:
        yield server


@settings(max_examples=examples(12))
@given(said=responses())
def test_no_text_of_a_response_breaks_a_command(
    wanflow: Callable[..., CommandResult], api: HostileServer, said: Responses, tmp_path: Path
) -> None:
    """Each has a documented exit code, the id is in the ledger, and both streams are plain."""
    api.responses = said
    ledger = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
    given_ = {
        "WANFLOW_BASE_URL": api.url,
        "WANFLOW_API_KEY": "a-key-of-some-length",
        "WANFLOW_LEDGER": str(ledger),
    }
    jobs = json.dumps({"model": IMAGE, "prompt": "x"})
    wait = ("--timeout", "0.5", "-o", "out")
    commands = [
        ("submit", IMAGE, "--prompt", "x"),
        ("run", IMAGE, "--prompt", "x", *wait),
        ("run", IMAGE, "--prompt", "x", "--json", *wait),
        ("status", "task-unified-1-a"),
        ("wait", "task-unified-1-a", *wait),
        ("batch", "-", *wait),
        ("ledger", "list"),
        ("ledger", "show", "1"),
        ("ledger", "export", "--format", "csv"),
    ]
    for words in commands:
        done = wanflow(*words, given=given_, stdin=jobs)
        assert done.code in CODES, (words, done.err)
        # CSV ends its lines with CR and LF.
        assert is_harmless(done.out.replace("\r\n", "\n") + done.err), (words, done.out, done.err)
    if said.task_id is not None:
        assert (
            said.task_id
            in wanflow("ledger", "export", given=given_)
            .out.encode()
            .decode("unicode_escape", "replace")
            or not said.task_id.isascii()
        )


@pytest.mark.skipif(os.name == "nt", reason="names of folders are Unicode there")
def test_a_folder_whose_name_is_not_utf_8_works(
    wanflow: Callable[..., CommandResult], environment: dict[str, str], tmp_path: Path
) -> None:
    """`run` and `batch` save the files and print their paths unchanged."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    environment["WANFLOW_LEDGER"] = str(tmp_path / "ledger.db")
    jobs = json.dumps({"model": IMAGE, "prompt": "x"})
    run = wanflow("run", IMAGE, "--prompt", "x", "-o", str(folder))
    batch = wanflow("batch", "-", "-o", str(folder), stdin=jobs)
    for done in (run, batch):
        assert done.code == 0, done.err
        assert is_harmless(done.err)
    assert len([one for one in folder.iterdir() if one.suffix in {".png", ".jpg"}]) == 2
    assert wanflow("ledger", "list").code == 0
    shown = wanflow("ledger", "list", "--json")
    assert {job["output_dir"] for job in shown.events} == {str(folder)}
