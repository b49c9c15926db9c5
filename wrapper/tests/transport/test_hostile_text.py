"""Text of a response does no harm in a terminal, a log, a file or the ledger."""

from __future__ import annotations

import io
import json
import logging
import os
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.clients import RUNNERS
from tests.client.fast_clock import with_fast_clock
from tests.examples import examples
from tests.transport.hostile_text import (
    HostileServer,
    Responses,
    is_harmless,
    responses,
    serving,
    storable,
)
from tests.transport.test_guarantees import KEY, body
from wanflow import WanflowError
from wanflow._core.snapshot import decode_json, decode_user_json
from wanflow._text import one_line, printable
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def encodable(value: Any) -> bool:
    """Return True if every text in a value, with its keys, can be encoded."""
    json.dumps(value, ensure_ascii=False).encode()
    return True


pieces = st.sampled_from(
    [
        "\\ud83d",
        "\\uDE00",
        "\\uD83D\\ude00",
        "\\\\",
        "\\\\ud83d",
        '\\"',
        "\\n",
        "u",
        "\\udcff",
        "é",
        "\\u0000",
    ]
)


@given(texts=st.lists(st.lists(pieces, max_size=6).map("".join), min_size=1, max_size=3))
def test_every_text_of_a_response_can_be_stored(texts: list[str]) -> None:
    """Single surrogates and NUL become U+FFFD, in keys and values; nothing else changes."""
    raw = "{" + ",".join(f'"{n}{text}":["{text}"]' for n, text in enumerate(texts)) + "}"
    found = decode_json(raw.encode())
    assert encodable(found)
    expected = {storable(name): [storable(text)] for name, (text,) in decode_user_json(raw).items()}
    assert found == expected


@given(content=st.binary(max_size=40))
def test_bytes_that_are_not_utf_8_are_replaced_or_rejected(content: bytes) -> None:
    """They are decoded with replacement characters, or aren't JSON."""
    try:
        assert encodable(decode_json(b'{"id":"' + content + b'"}'))
    except ValueError as error:
        assert not isinstance(error, UnicodeError)  # noqa: PT017 - either is right


@given(text=st.text(st.characters(exclude_categories=())))
def test_printable_removes_control_characters(text: str) -> None:
    """It also removes changes of direction and single surrogates."""
    for result in (printable(text), printable(text, lines=False), one_line(text)):
        result.encode()
        assert all(letter in "\n " or letter.isprintable() or letter.isspace() for letter in result)
        assert not any(letter in result for letter in "\x1b\x9b\x07\r\x00\x7f\u202e\u2028")
    assert "\n" not in printable(text, lines=False) + one_line(text)


@pytest.fixture(scope="module")
def api() -> Iterator[HostileServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module", params=["sync", "aiohttp"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    with RUNNERS[request.param]() as runner:
        yield runner


@settings(max_examples=examples(60))
@given(hostile=responses())
def test_no_text_of_a_response_harms_a_client_or_its_ledger(
    hostile: Responses, runner: Any, api: HostileServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """There is a result or a WanflowError, the id is recorded, and every message is harmless."""
    api.responses, folder = hostile, tmp_path_factory.mktemp("text")
    log = logging.StreamHandler(io.StringIO())
    logging.getLogger("wanflow").addHandler(log)
    with Ledger(folder / "ledger.db") as ledger:
        client = with_fast_clock(
            runner.client(api_key=KEY, base_url=api.url, retry_timeout=0, ledger=ledger)
        )
        shown = run_task(runner, client, folder)
        runner.do(client.close)
        assert [job.task_id for job in ledger.jobs()] == [hostile.task_id]
        for job in ledger.jobs():
            encodable([job.reason, job.code, job.status, job.links, job.model])
    logging.getLogger("wanflow").removeHandler(log)
    assert is_harmless(shown)
    assert is_harmless(log.stream.getvalue())


def run_task(runner: Any, client: Any, folder: Path) -> str:
    """Submit, wait and download; return all reprs and tracebacks."""
    shown: list[str] = []
    try:
        task = runner.do(client.submit, body())
        shown += [repr(task), repr(task.snapshot)]
        result = runner.do(task.wait, 0.5)
        shown += [repr(result), repr(result.urls)]
        runner.do(result.download, folder)
    except WanflowError as error:
        shown += traceback.format_exception(error)
        shown.append(repr(error))
    return "\n".join(shown)


@pytest.mark.skipif(os.name == "nt", reason="names of directories are Unicode there")
def test_a_directory_whose_name_is_not_utf_8_works(
    runner: Any, api: HostileServer, tmp_path: Path
) -> None:
    """Files are saved in it, and the ledger, the report and the contact sheet have their paths."""
    folder = tmp_path / os.fsdecode(b"caf\xe9 \xff")
    task = {"id": "task-unified-1-a", "status": "completed", "results": ["FILES/a.png"]}
    accepted = task | {"status": "pending", "results": [], "task_info": {"estimated_time": 0}}
    api.responses = Responses((200, accepted), (200, task), {}, "image/png")
    with Ledger(tmp_path / "ledger.db") as ledger:
        client = with_fast_clock(runner.client(api_key=KEY, base_url=api.url, ledger=ledger))
        report = runner.do(client.batch, [body()], folder)
        runner.do(client.close)
        (job,) = ledger.jobs()
    assert report.complete
    assert report.write_error == ""
    assert job.output_dir == folder
    assert job.files[0].path.read_bytes().startswith(b"\x89PNG")
    facts = json.loads((folder / "report.json").read_text("utf-8"))
    assert facts["jobs"][0]["files"][0]["path"] == str(job.files[0].path)
    assert f'src="{job.files[0].path.name}"' in (folder / "index.html").read_text("utf-8")
