"""Importing a client, or sending its first request, imports only the modules that it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

# Slow to import, and not needed before a client is created.
SLOW = {
    *("aiohttp", "asyncio", "click", "concurrent.futures", "httpcore", "httpx", "jsonschema_rs"),
    *("httpcore2", "httpx2", "truststore"),
    *("csv", "difflib", "email", "hashlib", "http.client", "multiprocessing", "shutil", "socket"),
    *("sqlite3", "ssl", "subprocess", "tempfile", "urllib.request", "xml", "zlib"),
}
# For downloads, uploads, many tasks, a ledger, or a misspelt name.
RARELY_NEEDED = {
    *(
        "wanflow._storage.part_file",
        "wanflow._regular_file",
        "wanflow._core.download_rules",
        "wanflow._core.file_formats",
        "wanflow._core.file_names",
    ),
    *("wanflow._core.media_rules", "wanflow._core.recorder"),
    *("wanflow._flows.poll_many", "wanflow._flows.download", "wanflow._flows.upload"),
    *("wanflow.batch", "wanflow.cli", "wanflow.ledger", "wanflow.mock", "wanflow.webhooks"),
    *("difflib", "sqlite3"),
}
# Upper bounds of the modules that a client imports, and of the attrs classes in them: half of the
# import time is spent on these classes. A few more of either don't matter.
MODULES, CLASSES = 60, 55

CLIENTS = pytest.mark.parametrize("name", ["Client", "AsyncClient"])
COUNT = """
classes = [
    one for name in ours for one in vars(sys.modules[name]).values()
    if isinstance(one, type) and one.__module__ == name and "__attrs_attrs__" in vars(one)
]
"""
SUBMIT = """
client = wanflow.Client("a-key", "https://api.test", transport=httpx.MockTransport(respond))
assert client.submit(model="wan2.5-text-to-video", prompt="a cat").id == "task-1"
"""
ASUBMIT = """
async def submitted():
    transport = httpx.MockTransport(respond)
    async with wanflow.AsyncClient("a-key", "https://api.test", transport=transport) as client:
        return await client.submit(model="wan2.5-text-to-video", prompt="a cat")

import asyncio
assert asyncio.run(submitted()).id == "task-1"
"""
SETUP = """
import httpx
import wanflow

def respond(request):
    return httpx.Response(200, json={"id": "task-1", "status": "pending", "created": 1})
"""


def imported(program: str) -> set[str]:
    """Return the modules that a program has imported when it ends."""
    code = f"import sys\n{program}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_alone_imports_nothing() -> None:
    """Each name of `wanflow` is imported when it is first used."""
    found = imported("import wanflow")
    assert {name for name in found if name.startswith("wanflow")} == {"wanflow"}
    assert {"attrs", "re", "typing", *SLOW} & found == set()


@CLIENTS
def test_importing_a_client_imports_nothing_slow(name: str) -> None:
    """No HTTP library, validator, event loop or ledger."""
    found = imported(f"from wanflow import {name}")
    assert "wanflow._flows.operations" in found
    assert (SLOW | RARELY_NEEDED) & found == set()


@CLIENTS
def test_importing_a_client_imports_few_modules_and_creates_few_classes(name: str) -> None:
    """Import what is added where it is needed, or raise these bounds on purpose."""
    program = f"from wanflow import {name}\nours = [m for m in sys.modules if m[:7] == 'wanflow']"
    code = f"import sys\n{program}{COUNT}print(len(ours), len(classes))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules, classes = map(int, done.stdout.split())
    assert 20 < modules <= MODULES
    assert 20 < classes <= CLASSES


@pytest.mark.parametrize("submit", [SUBMIT, ASUBMIT], ids=["sync", "async"])
def test_a_submission_imports_nothing_that_it_does_not_need(submit: str) -> None:
    """The first request doesn't import what importing the client left out."""
    found = imported(SETUP + submit)
    assert {"wanflow._flows.submit", "jsonschema_rs"} <= found
    assert RARELY_NEEDED & found == set()
