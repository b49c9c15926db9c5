"""What the mock remembers has limits, and lives for a time of its clock."""

from __future__ import annotations

import httpx
import pytest

from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import Mock, MockServer, MockTransport, VirtualClock
from wanflow.mock.admin.journal import Journal
from wanflow.mock.gateway.accounts import AccountStore
from wanflow.mock.gateway.tasks import URL_LIFETIME, WEEK

MODEL = next(model for model in packaged_catalog().models.values() if model.kind == "image")
DAY = 24 * 3600


@pytest.fixture
def door():
    with MockTransport(polls=0, clock=VirtualClock()) as transport:
        yield transport


@pytest.fixture
def http(door):
    headers = {"Authorization": "Bearer k"}
    with httpx.Client(base_url=door.base_url, transport=door, headers=headers) as client:
        yield client


def submit(http, **more) -> dict:
    body = {**MODEL.example, "size": "1280x720", **more}
    return dict(http.post(MODEL.path, json=body).json())


class TestJournal:
    """Requests are remembered for a day."""

    def test_entries_are_forgotten(self, door, http) -> None:
        """An entry a day old is not shown, and one of an hour is."""
        submit(http)
        door.clock.advance(DAY - 3600)
        submit(http)
        assert len(door.journal) == 2
        door.clock.advance(3601)
        assert [entry.number for entry in door.journal] == [2]
        assert sum(door.journal.counts.values()) == 2

    def test_no_header_is_kept(self, door, http) -> None:
        """What is noted holds nothing of a key, before it is worded as after."""
        http.get("/v1/tasks/x", headers={"Authorization": "Bearer secret-key"})
        assert "secret-key" not in repr(door.journal._latest)
        held = [part for part in door.journal._latest[0] if hasattr(part, "headers")]
        assert [refusal.headers for refusal in held] == [()]

    def test_long_texts_are_cut(self, door, http) -> None:
        """Neither a path nor a body is kept at any length."""
        http.post("/" + "x" * 5000, content=b"y" * 5000)
        submit(http, prompt="p" * 5000)
        assert max(len(entry.path) for entry in door.journal) == 300
        assert max(len(entry.body) for entry in door.journal) == 2000


class TestTasks:
    """Tasks are remembered for a week."""

    def test_they_are_forgotten(self, door, http) -> None:
        """After a week neither the query nor the list knows a task."""
        name = submit(http)["id"]
        door.clock.advance(WEEK + 1)
        assert http.get(f"/v1/tasks/{name}").status_code == 404
        assert http.get(f"{door.url}/_mock/tasks").json()["tasks"] == []
        assert 'status="completed"' not in http.get(f"{door.url}/_mock/metrics").text
        assert len(door.gateway.tasks) == 0


class TestFiles:
    """Files are kept as long as their links live."""

    def test_they_are_forgotten(self) -> None:
        """When the links are dead, nothing is held for them."""
        with MockServer(polls=0, clock=VirtualClock()) as server:
            headers = {"Authorization": "Bearer k"}
            with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as http:
                (link,) = http.get(f"/v1/tasks/{submit(http)['id']}").json()["results"]
                assert http.get(link).status_code == 200
                gallery = server.app.file_cache
                server.clock.advance(URL_LIFETIME - 1)
                http.get(f"{server.url}/_mock/health")
                assert gallery._total_bytes > 0
                server.clock.advance(1)
                http.get(f"{server.url}/_mock/health")
                assert (gallery._total_bytes, len(gallery._files)) == (0, 0)
                assert http.get(link).status_code == 410

    def test_the_oldest_go_when_there_are_too_many(self, door, http) -> None:
        """Never much more than the bound is held, and what went is made again, the same."""
        door.app.file_cache.max_bytes = 1
        links = [http.get(f"/v1/tasks/{submit(http)['id']}").json()["results"][0] for _ in "abc"]
        files = [http.get(link).content for link in links]
        assert len(door.app.file_cache._files) == 1
        assert [http.get(link).content for link in links] == files


class TestAccounts:
    """Accounts are remembered for four weeks after their last request."""

    def test_a_silent_one_is_forgotten(self) -> None:
        """One that asks stays; one that doesn't is a new one when it comes again."""
        clock = VirtualClock()
        accounts = AccountStore(clock=clock)
        busy, silent = accounts.for_key("busy"), accounts.for_key("silent")
        for _ in range(5):
            clock.advance(7 * DAY)
            assert accounts.for_key("busy") is busy
        assert accounts.for_key("silent") is not silent
        assert len(list(accounts)) == 2

    def test_the_longest_silent_goes_first(self) -> None:
        """When there are too many, it isn't the oldest that goes but the one out of use."""
        accounts = AccountStore(max_accounts=2)
        first, second = accounts.for_key("first"), accounts.for_key("second")
        assert accounts.for_key("first") is first
        accounts.for_key("third")
        assert accounts.for_key("first") is first
        assert accounts.for_key("second") is not second


def test_all_live_by_the_clock_of_the_mock() -> None:
    """Journal, accounts and files ask the one clock that can be moved."""
    mock = Mock("http://127.0.0.1:1", clock=VirtualClock())
    assert (
        mock.journal.clock
        is mock.accounts.clock
        is mock.app.file_cache.scheduler.clock
        is mock.clock
    )
    assert Journal().clock.runs
