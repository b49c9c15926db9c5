"""What the mock keeps is limited in number and in time."""

from __future__ import annotations

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import Mock, MockServer, MockTransport, VirtualClock
from wanflow.mock.admin.journal import Journal
from wanflow.mock.gateway.accounts import AccountStore
from wanflow.mock.gateway.tasks import URL_LIFETIME, WEEK

MODEL = next(model for model in packaged_catalog().models.values() if model.kind == "image")
DAY = 24 * 3600


@pytest.fixture
def transport():
    with MockTransport(polls=0, clock=VirtualClock()) as transport:
        yield transport


@pytest.fixture
def http(transport):
    headers = {"Authorization": "Bearer k"}
    with httpx.Client(base_url=transport.base_url, transport=transport, headers=headers) as client:
        yield client


def submit(http, **more) -> dict:
    body = {**MODEL.example, "size": "1280x720", **more}
    return dict(http.post(MODEL.path, json=body).json())


class TestJournal:
    """Requests are kept for a day."""

    def test_entries_expire(self, transport, http) -> None:
        """An entry is shown for a day."""
        submit(http)
        transport.clock.advance(DAY - 3600)
        submit(http)
        assert len(transport.journal) == 2
        transport.clock.advance(3601)
        assert [entry.number for entry in transport.journal] == [2]
        assert sum(transport.journal.counts.values()) == 2

    def test_no_header_is_kept(self, transport, http) -> None:
        """An entry contains no key, neither before nor after it is formatted."""
        http.get("/v1/tasks/x", headers={"Authorization": "Bearer secret-key"})
        assert "secret-key" not in repr(transport.journal._latest)
        parts = [part for part in transport.journal._latest[0] if hasattr(part, "headers")]
        assert [part.headers for part in parts] == [()]

    def test_long_texts_are_cut(self, transport, http) -> None:
        """Long paths and bodies are cut."""
        http.post("/" + "x" * 5000, content=b"y" * 5000)
        submit(http, prompt="p" * 5000)
        assert max(len(entry.path) for entry in transport.journal) == 300
        assert max(len(entry.body) for entry in transport.journal) == 2000


class TestTasks:
    """Tasks are kept for a week."""

    def test_they_expire(self, transport, http) -> None:
        """After a week neither the query nor the list has a task."""
        name = submit(http)["id"]
        transport.clock.advance(WEEK + 1)
        assert http.get(f"/v1/tasks/{name}").status_code == 404
        assert http.get(f"{transport.url}/_mock/tasks").json()["tasks"] == []
        assert 'status="completed"' not in http.get(f"{transport.url}/_mock/metrics").text
        assert len(transport.gateway.tasks) == 0


class TestFiles:
    """Files are kept until their URLs expire."""

    def test_they_expire(self) -> None:
        """When the URLs have expired, the files are removed."""
        with MockServer(polls=0, clock=VirtualClock()) as server:
            headers = {"Authorization": "Bearer k"}
            with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
                (link,) = http.get(f"/v1/tasks/{submit(http)['id']}").json()["results"]
                assert http.get(link).status_code == 200
                cache = server.app.file_cache
                server.clock.advance(URL_LIFETIME - 1)
                http.get(f"{server.url}/_mock/health")
                assert cache._total_bytes > 0
                server.clock.advance(1)
                http.get(f"{server.url}/_mock/health")
                assert (cache._total_bytes, len(cache._files)) == (0, 0)
                assert http.get(link).status_code == 410

    def test_the_oldest_files_are_removed_beyond_the_limit(self, transport, http) -> None:
        """Removed files are made again with the same content."""
        transport.app.file_cache.max_bytes = 1
        links = [http.get(f"/v1/tasks/{submit(http)['id']}").json()["results"][0] for _ in "abc"]
        files = [http.get(link).content for link in links]
        assert len(transport.app.file_cache._files) == 1
        assert [http.get(link).content for link in links] == files


class TestAccounts:
    """Accounts are kept for four weeks after their last request."""

    def test_an_unused_account_expires(self) -> None:
        """An account in use is kept; an unused one is a new account at its next request."""
        clock = VirtualClock()
        accounts = AccountStore(clock=clock)
        used, unused = accounts.for_key("used"), accounts.for_key("unused")
        for _ in range(5):
            clock.advance(7 * DAY)
            assert accounts.for_key("used") is used
        assert accounts.for_key("unused") is not unused
        assert len(list(accounts)) == 2

    def test_the_longest_unused_account_is_removed_first(self) -> None:
        """Beyond the limit, the longest unused account is removed, not the oldest."""
        accounts = AccountStore(max_accounts=2)
        first, second = accounts.for_key("first"), accounts.for_key("second")
        assert accounts.for_key("first") is first
        accounts.for_key("third")
        assert accounts.for_key("first") is first
        assert accounts.for_key("second") is not second


def test_everything_uses_the_clock_of_the_mock() -> None:
    """Journal, accounts and files use the one clock that can be advanced."""
    mock = Mock("http://127.0.0.1:1", clock=VirtualClock())
    assert (
        mock.journal.clock
        is mock.accounts.clock
        is mock.app.file_cache.scheduler.clock
        is mock.clock
    )
    assert Journal().clock.runs
