"""Agents use the tools: each request is charged once, within the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import jsonschema_rs
import pytest

from tests.mcp.conftest import KEY, charged, facts
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mcp_server.schemas import model_schema

if TYPE_CHECKING:
    from tests.mcp.conftest import Setup
    from wanflow.mock import MockServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.processes
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_submits_waits_and_downloads(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any], mode: str
) -> None:
    """In both generations of the protocol; a picture is returned if asked for."""
    async with setup.stdio_client(mode=mode) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == {
            *("models", "estimate", "submit", "status", "wait", "download", "list", "resume")
        }
        submitted = facts(await client.call_tool("submit", {"request": request_body}))
        task = {"task_id": submitted["task_id"]}
        assert facts(await client.call_tool("wait", task))["succeeded"]
        saved = await client.call_tool("download", {**task, "show": True})
        assert facts(saved)["files"]
        assert saved.content[1].type == "image"
        assert facts(await client.call_tool("download", task))["files"] == facts(saved)["files"]
        (job,) = facts(await client.call_tool("list", {}))["jobs"]
        assert job["state"] == "saved"
    assert charged(mock_server) == [task["task_id"]]


async def test_the_same_request_is_charged_once_and_another_variation_again(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """Also if it is repeated concurrently, with its fields in another order, or after a restart."""
    turned = dict(reversed(request_body.items()))
    ids: list[str] = []

    async def submit(client: Any, **arguments: Any) -> None:
        ids.append(facts(await client.call_tool("submit", arguments))["task_id"])

    async with setup.client() as client, anyio.create_task_group() as group:
        for body in (request_body, turned, request_body):
            group.start_soon(lambda body=body: submit(client, request=body))
    async with setup.client() as client:
        again = facts(await client.call_tool("submit", {"request": request_body}))
        assert again["submitted_before"]
        assert {*ids, again["task_id"]} == set(charged(mock_server))
        await submit(client, request=request_body, variation="2")
    assert len(charged(mock_server)) == 2


@pytest.mark.processes
async def test_concurrent_calls_and_servers_stay_below_the_ceiling(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """Two servers with one ledger spend what one may; so does a later one."""
    async with setup.client() as client:
        first = facts(await client.call_tool("submit", {"request": request_body}))
        price = first["budget"]["committed"]
    assert price > 0
    limited = setup.with_options("--max-credits", str(4.5 * price))
    results: list[Any] = []

    async def submit(client: Any, number: int) -> None:
        body = {**request_body, "prompt": f"cat {number}"}
        results.append(await client.call_tool("submit", {"request": body}))

    async with limited.stdio_client() as one, limited.stdio_client() as other:
        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(submit, (one, other)[number % 2], number)
        await submit(one, 13)
    async with limited.client() as later:
        await submit(later, 14)
    assert len(charged(mock_server)) == 4
    refused = [one.content[0].text for one in results if one.is_error]
    assert len(refused) == 11
    assert all("its limit is" in text for text in refused)


async def test_a_job_of_unknown_price_is_not_sent_unless_the_user_allows_it(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """The error says what is unknown."""
    async with setup.with_options("--max-credits", "1000").client() as client:
        result = await client.call_tool("submit", {"request": request_body})
    assert result.is_error
    assert "unknown" in result.content[0].text
    assert not charged(mock_server)


async def test_a_wait_ends_in_time_and_the_next_call_goes_on(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """The result has the task's id."""
    mock_server.gateway.progression = type(mock_server.gateway.progression)(10**6)
    async with setup.client() as client:
        submitted = facts(await client.call_tool("submit", {"request": request_body}))
        task = {"task_id": submitted["task_id"]}
        with anyio.fail_after(60):
            waited = facts(await client.call_tool("wait", {**task, "seconds": 0.5}))
        assert waited["still_running"]
        assert waited["task_id"] == task["task_id"]


async def test_wrong_arguments_are_one_sentence(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """Nothing is sent; a local file is read only where the user allows it."""
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("submit", {}),
        ("submit", {"request": {**request_body, "model": "none"}}),
        ("submit", {"request": {**request_body, "prompt": 3}}),
        ("wait", {"task_id": "x", "seconds": 26}),
        ("status", {"task_id": "../x"}),
        ("no-tool", {}),
    ]
    async with setup.client() as client:
        for name, arguments in wrong:
            result = await client.call_tool(name, arguments)
            assert result.is_error
            assert "\n" not in result.content[0].text
    assert not charged(mock_server)


@pytest.mark.parametrize("name", packaged_catalog().models)
def test_the_schema_of_each_model_accepts_its_valid_requests(name: str) -> None:
    """It has no references, and rejects another model."""
    catalog = packaged_catalog()
    schema = model_schema(catalog, catalog.models[name])
    assert "$ref" not in str(schema)
    jsonschema_rs.meta.validate(schema)
    body = {"image_urls": ["https://example.com/a.png"], **catalog.models[name].example}
    if "image_urls" not in catalog.models[name].parameters:
        del body["image_urls"]
    assert jsonschema_rs.is_valid(schema, body)
    assert not jsonschema_rs.is_valid(schema, {**body, "model": "another"})


@pytest.mark.processes
async def test_the_key_is_in_no_frame_and_not_on_stderr(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """Even if the API repeats it."""
    mock_server.faults.add("status=401", operation="getTaskDetail")
    async with setup.stdio_client() as client:
        shown = [str(await client.list_tools())]
        for name, arguments in (
            ("submit", {"request": request_body}),
            ("estimate", {"request": request_body}),
            ("status", {"task_id": "task-unified-1-abcdefgh"}),
            ("list", {}),
            ("resume", {}),
        ):
            shown.append(str(await client.call_tool(name, arguments)))
    assert KEY not in "".join(shown)
    assert KEY not in (setup.folder / "stderr").read_text()
    assert KEY.encode() not in (setup.folder / "jobs.db").read_bytes()
