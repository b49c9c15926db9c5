"""The lists of `/_mock` are complete, counted, and come in pages."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.any_model import model_name
from tests.examples import examples
from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer, VirtualClock
from wanflow.mock.admin.journal import Journal
from wanflow.mock.admin.paging import Page, newest
from wanflow.mock.gateway.tasks import TaskStore

MODEL = packaged_catalog().models[model_name("image")]
DAY = 24 * 3600


@pytest.fixture(scope="module")
def server():
    with MockServer(clock=VirtualClock()) as server:
        yield server


@pytest.fixture
def http(server, api_key):
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=server.url, headers=headers, **PLAIN) as http:
        yield http


def submit(server, http) -> str:
    return str(http.post(server.base_url + MODEL.path, json=MODEL.example).json()["id"])


def pages(http, path: str, limit: int):
    """Yield each page of a list, until there is no next one."""
    before: dict[str, str] = {}
    while True:
        page = http.get(path, params={"limit": limit, **before}).json()
        yield page
        if page["next"] is None:
            return
        before = {"before": page["next"]}


class TestTasks:
    """GET /_mock/tasks."""

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1000])
    def test_pages_have_every_task_once(self, server, http, limit) -> None:
        """The newest first, in all pages together, with the total in each."""
        ids = [submit(server, http) for _ in range(7)]
        found = list(pages(http, "/_mock/tasks", limit))
        assert [task["id"] for page in found for task in page["tasks"]] == ids[::-1]
        assert {page["total"] for page in found} == {7}
        assert len(found) == -(-7 // limit)

    def test_new_tasks_do_not_shift_the_pages(self, server, http) -> None:
        """What is submitted between two pages is on neither, and nothing is twice or missing."""
        ids = [submit(server, http) for _ in range(4)]
        seen = []
        for page in pages(http, "/_mock/tasks", 2):
            seen += [task["id"] for task in page["tasks"]]
            submit(server, http)
        assert seen == ids[::-1]

    def test_removed_tasks_are_counted(self) -> None:
        """What is beyond the number or the age is said to have been dropped."""
        with MockServer(clock=VirtualClock()) as server:
            server.gateway.tasks = TaskStore(max_tasks=3)
            with httpx.Client(
                base_url=server.url, headers={"Authorization": "Bearer k"}, **PLAIN
            ) as http:
                for _ in range(5):
                    submit(server, http)
                seen = http.get("/_mock/tasks").json()
                assert (len(seen["tasks"]), seen["total"], seen["dropped"]) == (3, 3, 2)
                server.clock.advance(8 * DAY)
                seen = http.get("/_mock/tasks").json()
                assert (seen["tasks"], seen["total"], seen["dropped"]) == ([], 0, 5)


class TestJournal:
    """GET /_mock/journal."""

    @pytest.mark.parametrize("limit", [1, 3, 8, 1000])
    def test_pages_have_every_entry_once(self, server, http, limit) -> None:
        """Each page has the newest at its end, and the next page is older."""
        ids = [submit(server, http) for _ in range(8)]
        found = list(pages(http, "/_mock/journal", limit))
        ordered = [entry["task_id"] for page in found[::-1] for entry in page["entries"]]
        assert ordered == ids
        assert {page["total"] for page in found} == {8}

    def test_dropped_entries_are_counted(self) -> None:
        """Too many, or too old: both are counted; cleared ones aren't."""
        clock = VirtualClock()
        with (
            MockServer(clock=clock, journal_entries=5) as server,
            httpx.Client(base_url=server.url, **PLAIN) as http,
        ):
            for _ in range(12):
                http.get("/nothing")
            seen = http.get("/_mock/journal").json()
            assert (len(seen["entries"]), seen["total"], seen["dropped"]) == (5, 5, 7)
            assert server.journal.dropped == 7
            clock.advance(DAY + 1)
            assert http.get("/_mock/journal").json()["dropped"] == 12
            http.delete("/_mock/journal")
            http.get("/nothing")
            seen = http.get("/_mock/journal").json()
            assert (seen["total"], seen["dropped"]) == (1, 0)

    def test_it_may_keep_nothing(self) -> None:
        """With `journal_entries=0`, requests are counted as dropped."""
        with MockServer(journal_entries=0) as server:
            httpx.get(f"{server.url}/nothing", **PLAIN)
            seen = httpx.get(f"{server.url}/_mock/journal", **PLAIN).json()
        assert (seen["entries"], seen["dropped"]) == ([], 1)

    @settings(max_examples=examples(60))
    @given(counts=st.lists(st.integers(0, 9), max_size=8), size=st.integers(0, 9))
    def test_what_is_kept_and_what_is_dropped_is_all_there_was(self, counts, size) -> None:
        """Recorded since the last clearing = kept + dropped, in any order of both."""
        journal = Journal(size)
        for count in counts:
            journal._count += count
            journal._latest.extend((0, journal.clock.now()) for _ in range(count))
            assert journal.dropped + len(journal) == count
            journal.clear()


def test_callbacks_are_counted(server, http) -> None:
    """The list of attempts says how many there are, and how many were dropped."""
    seen = http.get("/_mock/callbacks").json()
    assert seen == {"attempts": [], "total": 0, "dropped": 0}


@pytest.mark.parametrize("path", ["/_mock/tasks", "/_mock/journal"])
@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "limit=1e3", "limit=%D9%A3",
              "limit=1&more=1", "page=2", "limit=10000000001"]
)  # fmt: skip
def test_a_wrong_query_is_a_400(http, path, query) -> None:
    """The message says what is allowed; nothing is ignored."""
    response = http.get(f"{path}?{query}")
    assert response.status_code == 400
    assert "limit" in response.json()["error"]["message"]


@settings(max_examples=examples(300))
@given(count=st.integers(0, 50), limit=st.integers(1, 60), start=st.integers(0, 60))
def test_any_pages_are_the_whole_list(count, limit, start) -> None:
    """From any place, the pages that follow are all that is older, in order; without end never."""
    items = list(range(count))
    page, found = Page(limit, None if start >= count else str(start)), list[int]()
    while True:
        shown, before = newest(items, str, page)
        assert len(shown) <= limit
        found = [*shown, *found]
        if before is None:
            break
        page = Page(limit, before)
    assert found == items[: start if start < count else count]
