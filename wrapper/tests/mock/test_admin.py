"""`/_mock`: the journal, tasks, metrics and account, and scenario files."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.admin.journal import Journal

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.kind == "image")


def submit(http, **more) -> httpx.Response:
    return http.post(MODEL.path, json={**MODEL.example, **more})


def entries(http, mock) -> list[dict]:
    found: list[dict] = http.get(f"{mock.url}/_mock/journal").json()["entries"]
    return found


class TestJournal:
    """GET /_mock/journal: requests and responses, with the reason of each rejection."""

    def test_each_exchange_is_recorded(self, http, mock) -> None:
        """Entries have method, path, operation, status, task and body, in order."""
        task = submit(http).json()["id"]
        http.get(f"/v1/tasks/{task}")
        first, second = entries(http, mock)
        assert (first["method"], first["operation"], first["status"]) == (
            "POST",
            MODEL.operation_id,
            200,
        )
        assert json.loads(first["body"]) == MODEL.example
        assert (second["path"].rsplit("/")[-1], second["task_id"]) == (task, task)
        assert first["error"] == second["error"] == ""
        assert first["number"] < second["number"]

    def test_a_rejection_has_its_reason(self, http, mock) -> None:
        """The violated rule and the parameter are recorded."""
        submit(http, prompt=3)
        (entry,) = entries(http, mock)
        assert (entry["status"], entry["parameter"]) == (400, "prompt")
        assert entry["error"].startswith("prompt must be a string")

    def test_a_near_miss_is_recognised(self, http, mock) -> None:
        """The entry of a misspelled model or path suggests the right one."""
        submit(http, model=MODEL.name.upper())
        (entry,) = entries(http, mock)
        assert entry["status"] == 404
        assert entry["error"].startswith(f"no model {MODEL.name.upper()!r}; did you mean ")
        http.post(MODEL.path + "s", json={})
        with httpx.Client(**PLAIN) as plain:
            all_entries = plain.get(f"{mock.url}/_mock/journal").json()["entries"]
        assert all_entries[-1]["near_miss"].startswith("POST ")
        assert all_entries[-1]["near_miss"].endswith(MODEL.path)

    def test_a_fault_is_recorded(self, http, mock) -> None:
        """An exchange with an injected fault names it."""
        with pytest.raises(httpx.TransportError):
            http.post(MODEL.path, json=dict(MODEL.example), headers={"X-Mock-Fault": "reset"})
        (entry,) = entries(http, mock)
        assert (entry["faults"], entry["status"]) == ("reset", 0)

    def test_a_key_sees_its_own_entries(self, http, mock, api_key) -> None:
        """With a key the journal has only that account's entries; it never contains a key."""
        submit(http)
        other_account = {"Authorization": f"Bearer {api_key}-other"}
        found = http.get(f"{mock.url}/_mock/journal", headers=other_account)
        assert found.json()["entries"] == []
        assert api_key not in http.get(f"{mock.url}/_mock/journal").text

    def test_it_is_bounded(self) -> None:
        """Only the latest entries are kept; the counts are of all."""
        with MockServer() as server:
            server.app.journal = Journal(max_entries=5)
            for _ in range(12):
                httpx.get(f"{server.url}/nothing", **PLAIN)
            assert len(server.journal) == 5
            assert [entry.number for entry in server.journal] == [8, 9, 10, 11, 12]
            assert server.journal.counts["", 404] == 12

    def test_it_can_be_cleared(self) -> None:
        """DELETE removes the entries."""
        with MockServer() as server:
            httpx.get(f"{server.url}/nothing", **PLAIN)
            httpx.delete(f"{server.url}/_mock/journal", **PLAIN)
            assert not list(server.journal)


class TestTasks:
    """GET /_mock/tasks: the newest first, with more than a task query shows."""

    def test_listing_tasks_does_not_count_as_a_poll(self, http, mock) -> None:
        """The list changes no task."""
        ids = [submit(http, prompt=text).json()["id"] for text in ("one", "two")]
        for _ in range(3):
            tasks = http.get(f"{mock.url}/_mock/tasks").json()["tasks"]
            assert [task["id"] for task in tasks] == ids[::-1]
            assert {task["status"] for task in tasks} == {"pending"}
            assert [task["prompt"] for task in tasks] == ["two", "one"]


class TestMetrics:
    """GET /_mock/metrics: text for Prometheus."""

    def test_counts_are_by_operation_and_status(self, http, mock) -> None:
        """The counters grow with each request, and every line is well-formed."""

        def count(status: int) -> int:
            text = http.get(f"{mock.url}/_mock/metrics").text
            name = (
                f'wanflow_mock_requests_total{{operation="{MODEL.operation_id}",status="{status}"}}'
            )
            found = re.search(re.escape(name) + r" (\d+)", text)
            return int(found[1]) if found else 0

        before = count(200), count(400)
        submit(http)
        submit(http, prompt=3)
        assert (count(200), count(400)) == (before[0] + 1, before[1] + 1)
        response = http.get(f"{mock.url}/_mock/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        line = re.compile(
            r'(# (HELP|TYPE) \S+ .+|[a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} [0-9.e+-]+)'
        )
        assert all(line.fullmatch(one) for one in response.text.splitlines())


class TestPaths:
    """The paths of the admin API."""

    def test_changes_need_json(self, mock) -> None:
        """A form of another origin can't change anything: its content type is rejected."""
        for content_type in ("text/plain", "application/x-www-form-urlencoded"):
            response = httpx.post(
                f"{mock.url}/_mock/clock/advance",
                content=b'{"seconds": 1}',
                headers={"Content-Type": content_type},
                **PLAIN,
            )
            assert response.status_code == 400

    def test_other_methods_are_405(self, mock) -> None:
        """The response has the allowed methods."""
        response = httpx.put(f"{mock.url}/_mock/faults", **PLAIN)
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}

    def test_an_unknown_path_is_a_404(self, mock) -> None:
        """Only known paths exist."""
        assert httpx.get(f"{mock.url}/_mock/nothing", **PLAIN).status_code == 404

    def test_the_account_needs_a_key(self, mock) -> None:
        """Without a key the response is 401."""
        assert httpx.get(f"{mock.url}/_mock/account", **PLAIN).status_code == 401


class TestScenario:
    """A scenario file."""

    def write(self, tmp_path, scenario) -> str:
        path = tmp_path / "scenario.json"
        path.write_text(scenario if isinstance(scenario, str) else json.dumps(scenario))
        return str(path)

    def test_it_is_applied(self, tmp_path) -> None:
        """Progression, faults and limits apply from the first request on."""
        path = self.write(
            tmp_path,
            {
                "progression": "polls=1",
                "faults": [{"fault": "status=503", "operation": MODEL.operation_id, "count": 1}],
                "limits": {"forbidden": [MODEL.name], "credits": 5},
            },
        )
        with MockServer(scenario=path) as server:
            headers = {"Authorization": "Bearer k"}
            with httpx.Client(base_url=server.base_url, headers=headers, **PLAIN) as http:
                assert [submit(http).status_code for _ in range(2)] == [503, 403]
                account = http.get(f"{server.url}/_mock/account").json()
        assert (account["credits"], account["forbidden"]) == (5, [MODEL.name])

    @pytest.mark.parametrize(
        "scenario",
        [
            "",
            "[]",
            "nonsense",
            {"progression": "soon"},
            {"progression": 3},
            {"faults": [{}]},
            {"faults": [3]},
            {"limits": {"credits": "x"}},
            {"more": 1},
            {"limits": []},
        ],
        ids=range(10),
    )
    def test_an_invalid_file_is_rejected(self, tmp_path, scenario) -> None:
        """The mock doesn't start, and the error names the file."""
        path = self.write(tmp_path, scenario)
        with pytest.raises(ValueError, match=r"scenario\.json can't be used"):
            MockServer(scenario=path)

    @pytest.mark.parametrize(
        ("scenario", "message"),
        [
            ([], "the file must be a JSON object"),
            ({"progression": 5}, "progression must be a string, not 5"),
            ({"faults": {"fault": "reset"}}, "faults must be a list of objects"),
            ({"faults": [5]}, "each fault must be a JSON object"),
            ({"faults": [{"fault": "reset", "nth": "2"}]}, "nth can't be '2'"),
            ({"limits": []}, "limits must be a JSON object"),
        ],
    )
    def test_a_part_of_a_wrong_type_is_named(self, tmp_path, scenario, message) -> None:
        """The message uses the names of the file."""
        with pytest.raises(ValueError, match=f"can't be used: {re.escape(message)}$"):
            MockServer(scenario=self.write(tmp_path, scenario))

    def test_a_missing_file_is_rejected(self, tmp_path) -> None:
        """A missing file is a ValueError, too."""
        with pytest.raises(ValueError, match="can't be used"):
            MockServer(scenario=tmp_path / "nowhere.json")


def test_head_is_allowed_wherever_get_is(mock) -> None:
    """HEAD has the same status without a body; other methods are 405."""
    with httpx.Client(**PLAIN, base_url=mock.url) as http:
        for path in ("/_mock/", "/_mock/health", "/_mock/clock", "/_mock/tasks", "/_mock/metrics"):
            head, got = http.head(path), http.get(path)
            assert (head.status_code, head.content) == (got.status_code, b"") == (200, b"")
            assert int(head.headers["content-length"]) > 0
            rejected = http.put(path)
            assert rejected.status_code == 405
            assert {"GET", "HEAD"} <= set(rejected.headers["allow"].split(", "))
        assert http.head("/_mock/clock/advance").status_code == 405
