"""A test reads the mock's tasks without a request."""

from __future__ import annotations

import httpx

from tests.any_model import model_name
from tests.plain_http import PLAIN
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer, VirtualClock

MODEL = packaged_catalog().models[model_name("image")]


def test_a_server_has_the_tasks_of_the_admin_api() -> None:
    """The oldest first."""
    with (
        MockServer(clock=VirtualClock()) as server,
        Client(server.api_key, server.base_url) as client,
        httpx.Client(base_url=server.url, **PLAIN) as http,
    ):
        ids = [client.submit(MODEL.example).id for _ in range(3)]
        assert [task["id"] for task in server.tasks] == ids
        headers = {"Authorization": f"Bearer {server.api_key}"}
        listed = http.get("/_mock/tasks", headers=headers).json()["tasks"]
        assert server.tasks[::-1] == listed
