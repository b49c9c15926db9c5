"""What a program imports with a client, and with its first request: no more than it uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Slow to import, and of no use before a client is made.
SLOW = {
    *("aiohttp", "asyncio", "click", "concurrent.futures", "httpcore", "httpx", "jsonschema_rs"),
    *("csv", "difflib", "email", "hashlib", "http.client", "multiprocessing", "shutil", "socket"),
    *("sqlite3", "ssl", "subprocess", "tempfile", "urllib.request", "xml", "zlib"),
}
# For those who save files, upload some, wait for many tasks, keep a ledger, or mistype a name.
SELDOM = {
    *(
        "wanflow._storage.part_file",
        "wanflow._storage.regular_file",
        "wanflow._core.download_rules",
        "wanflow._core.file_formats",
    ),
    *("wanflow._core.media_rules", "wanflow._core.recorder"),
    *("wanflow._flows.poll_many", "wanflow._flows.download", "wanflow._flows.upload"),
    *("wanflow.batch", "wanflow.cli", "wanflow.ledger", "wanflow.mock", "wanflow.webhooks"),
    *("difflib", "sqlite3"),
}
# The modules of ours behind a client, and the classes that attrs makes in them: half of the time
# that the import takes is spent on these classes. A few more of either go unnoticed.
MODULES, CLASSES = 60, 55

CLIENTS = pytest.mark.parametrize("name", ["Client", "AsyncClient"])
MADE = """
made = [
    one for name in ours for one in vars(sys.modules[name]).values()
    if isinstance(one, type) and one.__module__ == name and "__attrs_attrs__" in vars(one)
]
"""
SUBMIT = """
client = wanflow.Client("a-key", "https://api.test", transport=httpx.MockTransport(answer))
assert client.submit(model="wan2.5-text-to-video", prompt="a cat").id == "task-1"
"""
ASUBMIT = """
async def submitted():
    transport = httpx.MockTransport(answer)
    async with wanflow.AsyncClient("a-key", "https://api.test", transport=transport) as client:
        return await client.submit(model="wan2.5-text-to-video", prompt="a cat")

import asyncio
assert asyncio.run(submitted()).id == "task-1"
"""
ANSWER = """
import httpx
import wanflow

def answer(request):
    return httpx.Response(200, json={"id": "task-1", "status": "pending", "created": 1})
"""


def loaded(program: str) -> set[str]:
    """Return what a program of its own has imported in the end."""
    code = f"import sys\n{program}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_alone_loads_nothing() -> None:
    """`import wanflow` costs next to nothing: each name is imported when it is asked for."""
    found = loaded("import wanflow")
    assert {name for name in found if name.startswith("wanflow")} == {"wanflow"}
    assert {"attrs", "re", "typing", *SLOW} & found == set()


@CLIENTS
def test_a_clients_name_loads_nothing_slow(name: str) -> None:
    """No HTTP, no validator, no event loop, no files, no ledger."""
    found = loaded(f"from wanflow import {name}")
    assert "wanflow._flows.operations" in found
    assert (SLOW | SELDOM) & found == set()


@CLIENTS
def test_a_clients_name_loads_few_modules_and_makes_few_classes(name: str) -> None:
    """What is added to them is a choice: it goes where it is needed, or these bounds are raised."""
    program = f"from wanflow import {name}\nours = [m for m in sys.modules if m[:7] == 'wanflow']"
    code = f"import sys\n{program}{MADE}print(len(ours), len(made))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules, classes = map(int, done.stdout.split())
    assert 20 < modules <= MODULES
    assert 20 < classes <= CLASSES


@pytest.mark.parametrize("submit", [SUBMIT, ASUBMIT], ids=["sync", "async"])
def test_a_submission_loads_nothing_that_it_does_not_use(submit: str) -> None:
    """What the import of a client leaves out isn't loaded by the first request instead."""
    found = loaded(ANSWER + submit)
    assert {"wanflow._flows.submit", "jsonschema_rs"} <= found
    assert SELDOM & found == set()
