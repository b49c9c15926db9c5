"""A warning names the line of the program that made the call, and each thing is warned of once."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from wanflow import AsyncClient, Client, Ledger, RequestWarning
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODEL = next(m for m in packaged_catalog().models.values() if "image_urls" in m.required)
BODY = {"model": MODEL.name, "prompt": "x", "image_urls": ["http://localhost:8000/a.png"]}
SENTENCE = "image_urls[0] is fetched by the API's own servers"


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer(polls=1) as server:
        yield server


def sync_calls(client: Client, out: Path) -> dict[str, Callable[[], object]]:
    return {
        "submit": lambda: client.submit(BODY),
        "run": lambda: client.run(BODY),
        "batch": lambda: client.batch([BODY, BODY], out),
    }


def async_calls(client: AsyncClient, out: Path) -> dict[str, Callable[[], Any]]:
    async def submit() -> None:
        await client.submit(BODY)

    async def run() -> None:
        await client.run(BODY)

    async def batch() -> None:
        await client.batch([BODY, BODY], out)

    return {"submit": submit, "run": run, "batch": batch}


def caught_by(method: str, mock: MockServer, folder: Path, *, sync: bool) -> list[Any]:
    """Return the warnings of one call."""

    async def call() -> None:
        async with AsyncClient(mock.api_key, mock.base_url, ledger=ledger) as client:
            await async_calls(client, folder / "out")[method]()

    with Ledger(folder / "l.db") as ledger, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RequestWarning)
        if sync:
            with Client(mock.api_key, mock.base_url, ledger=ledger) as client:
                sync_calls(client, folder / "out")[method]()
        else:
            anyio.run(call)
    return [one for one in caught if issubclass(one.category, RequestWarning)]


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("method", ["submit", "run", "batch"])
def test_a_warning_names_the_callers_line(
    method: str, sync: bool, mock: MockServer, tmp_path: Path
) -> None:
    """It is the line with the call, in a program that awaits it as well."""
    (only,) = caught_by(method, mock, tmp_path, sync=sync)
    line = inspect.getsource(inspect.getmodule(caught_by)).splitlines()[only.lineno - 1]  # type: ignore[arg-type]
    assert (only.filename, f"client.{method}(" in line) == (__file__, True)
    assert str(only.message).startswith(SENTENCE)


def test_a_batch_warns_once_of_each_thing_and_names_its_lines(
    mock: MockServer, tmp_path: Path
) -> None:
    """Three lines are named, and the others counted."""
    jobs = [{**BODY, "prompt": str(number)} for number in range(5)]
    jobs.append({**BODY, "image_urls": ["ftp://a.example/a.png"]})
    with (
        Ledger(tmp_path / "l.db") as ledger,
        Client(mock.api_key, mock.base_url, ledger=ledger) as client,
        pytest.warns(RequestWarning) as warned,
    ):
        client.batch(jobs, tmp_path)
    texts = [str(one.message) for one in warned]
    assert [text.rpartition(" (")[2] for text in texts] == ["lines 1, 2, 3 and 2 more)", "line 6)"]
