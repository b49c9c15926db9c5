"""A server for agents, in this process or over stdio, and the official SDK's client of it."""

from __future__ import annotations

import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import anyio
import pytest
from attrs import evolve, field, frozen
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.any_model import model_name
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.ledger_options import open_ledger
from wanflow.cli.mcp import make_client, make_settings, mcp
from wanflow.mcp_server.calls import Calls
from wanflow.mcp_server.server import make_server
from wanflow.mcp_server.tools import Tools
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

KEY = "secret-key-of-the-user-1234567890"


@frozen
class Setup:
    """The options of a server, and the mock behind it."""

    base_url: str
    folder: Path
    options: tuple[str, ...] = ("--max-credits", "1000", "--unknown-price", "100")
    env: dict[str, str] = field(factory=dict)
    module: str = "wanflow"

    def with_options(self, *options: str) -> Setup:
        return evolve(self, options=options)

    @property
    def words(self) -> list[str]:
        paths = ["-o", str(self.folder / "out"), "--ledger", str(self.folder / "jobs.db")]
        return ["-m", self.module, "mcp", *paths, *self.options]

    @property
    def environment(self) -> dict[str, str]:
        given = {"WANFLOW_BASE_URL": self.base_url, "WANFLOW_API_KEY": KEY}
        return {**os.environ, **given, **self.env}

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncGenerator[Client]:
        """Run the server in this process: one of its own takes a second of CPU time."""
        _, _, _, *words = self.words
        given = mcp.make_context("mcp", words).params
        with open_ledger(given["ledger"], create=True) as ledger:
            with patch.dict(os.environ, self.environment):
                own = make_client(given, ledger)
            tools = Tools(own, ledger, packaged_catalog(), make_settings(given))
            async with own, anyio.create_task_group() as work:
                async with Client(make_server(tools, Calls(work)), **options) as client:
                    yield client
                work.cancel_scope.cancel()

    @asynccontextmanager
    async def stdio_client(self, **options: Any) -> AsyncGenerator[Client]:
        """Run the server as a process, and connect to its stdin and stdout."""
        server = StdioServerParameters(
            command=sys.executable, args=self.words, env=self.environment
        )
        with (self.folder / "stderr").open("a") as errors:
            async with Client(stdio_client(server, errlog=errors), **options) as client:
                yield client


@pytest.fixture
def mock_server() -> Iterator[MockServer]:
    with MockServer(polls=1) as server:
        yield server


@pytest.fixture
def setup(mock_server: MockServer, tmp_path: Path) -> Setup:
    return Setup(mock_server.base_url, tmp_path)


@pytest.fixture(scope="session")
def request_body() -> dict[str, Any]:
    """A request for a picture."""
    return {"model": model_name("image"), "prompt": "a cat"}


def facts(result: Any) -> dict[str, Any]:
    """Return the facts of a successful result."""
    assert not result.is_error, result.content[0].text
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


def charged(mock: MockServer) -> list[str]:
    """Return the ids of all tasks that the mock charged for."""
    return [task.id for task in mock.gateway.tasks]
