"""`wanflow contract read`: HAR files of any origin, and broken ones."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.command.main import contract
from wanflow_contract.watch.har import HarUnusable, judge_har, read_har
from wanflow_contract.watch.observer import Observer

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a-key-that-nobody-may-read"
BASE = "https://api.example/apiv1"
MODEL = next(one for one in packaged_contract().catalog.models.values() if one.kind == "image")
LINK = "https://files.example/1.png"
TASK = {"created": 1_790_000_000, "id": "task-unified-1-a", "model": MODEL.name}
TASK |= {"object": "image.generation.task", "type": "image"}


def entry(method: str, url: str, second: int, answer: Any, sent: Any = None, **more: Any) -> Any:
    """Return an entry as browsers write it."""
    request = {"method": method, "url": url, "httpVersion": "h2", "cookies": [], "queryString": []}
    headers = [{"name": ":authority", "value": "api.example"}]
    headers.append({"name": "authorization", "value": f"Bearer {KEY}"})
    if sent is not None:
        request["postData"] = {"mimeType": "application/json", "text": json.dumps(sent)}
        headers.append({"name": "content-type", "value": "application/json"})
    text = answer if isinstance(answer, str) else json.dumps(answer)
    content = {"size": len(text), "mimeType": "application/json", "text": text}
    shown = [("content-type", "application/json"), ("content-encoding", "gzip")]
    shown += [("date", "Mon, 21 Sep 2026 14:13:20 GMT"), ("content-length", "7")]
    response = {"status": 200, "headers": [{"name": n, "value": v} for n, v in shown]}
    return {
        "startedDateTime": f"2026-09-21T14:13:{second:02}.000Z",
        "time": 250.5,
        "request": {**request, "headers": headers},
        "response": {**response, "content": content, **more},
    }


def life(last: int = 100) -> list[Any]:
    """Return the entries of one task."""
    made = {**TASK, "status": "pending", "progress": 0}
    url = f"{BASE}/v1/tasks/{TASK['id']}"
    return [
        entry("POST", BASE + MODEL.path, 20, made, cheapest(MODEL)),
        entry("GET", url, 21, {**made, "status": "processing", "progress": 40}),
        entry("GET", url, 22, {**TASK, "status": "completed", "progress": last, "results": [LINK]}),
    ]


def others() -> list[Any]:
    """Return entries of other servers; one has the same path as the API."""
    foreign = {"created": 1, "data": [{"url": LINK}]}
    return [
        entry("GET", "https://www.example/index.html", 1, "<html>"),
        entry(
            "POST", "https://api.other.example/v1/images/generations", 2, foreign, {"model": "x"}
        ),
        entry("GET", "data:text/plain,hello", 3, "hello"),
    ]


def write(folder: Path, entries: Any, name: str = "some.har") -> Path:
    path = folder / name
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return path


def read(*arguments: str) -> Any:
    return CliRunner().invoke(contract, ["read", *arguments])


def test_a_correct_file_has_no_finding_and_others_are_counted(tmp_path) -> None:
    """The order of the entries has no effect, nor has what isn't the API's."""
    entries = [*life(), *others(), {"request": {}}, life()[1]]
    random.Random(1).shuffle(entries)
    done = read(str(write(tmp_path, entries)))
    assert done.exit_code == 0, done.output
    assert f"3 exchanges with {BASE} read from" in done.output
    assert "contract: 3 requests and 1 task seen; the server charges them as always" in done.output
    assert "nothing is charged" not in done.output
    assert "3 of other servers, 1 without a response, or unreadable, 1 repeated" in done.output


def test_a_finding_is_reported_without_the_key(tmp_path) -> None:
    """The exit code is 1, and the report is the same as that of a run."""
    done = read(str(write(tmp_path, life(last=90))), "--report", str(tmp_path / "out"))
    assert done.exit_code == 1, done.output
    report = (tmp_path / "out" / "report.json").read_text()
    assert {one["check"] for one in json.loads(report)["findings"]} == {"progress-100"}
    assert KEY not in done.output + report + (tmp_path / "out" / "report.html").read_text()


def test_a_file_from_which_keys_were_removed_is_judged(tmp_path) -> None:
    """Browsers leave the Authorization header out; that isn't access without a key."""
    entries = life()
    for one in entries:
        one["request"]["headers"] = one["request"]["headers"][:1]
    entries[0]["request"]["headers"].append({"name": "Content-Type", "value": "application/json"})
    done = read(str(write(tmp_path, entries)))
    assert done.exit_code == 0, done.output
    assert "the file has no API keys" in done.output


def test_bodies_in_base64_are_decoded_and_missing_ones_are_not_judged(tmp_path) -> None:
    """A browser that dropped a body says so by its size."""
    wrong = life(last=90)
    content = wrong[2]["response"]["content"]
    content |= {"text": b64encode(content["text"].encode()).decode(), "encoding": "base64"}
    assert read(str(write(tmp_path, wrong))).exit_code == 1
    content["text"] = content["text"][:40]
    assert read(str(write(tmp_path, wrong))).exit_code == 0
    del content["text"]
    assert read(str(write(tmp_path, wrong))).exit_code == 0


def test_the_file_of_a_result_is_judged(tmp_path) -> None:
    """It is on another host, which no option names."""
    page = entry("GET", LINK, 30, "<html>")
    done = read(str(write(tmp_path, [*life(), page])))
    assert (done.exit_code, "[link]" in done.output) == (1, True)


def test_an_entry_whose_url_is_none_is_not_judged(tmp_path) -> None:
    """The other entries are judged as without it."""
    broken = entry("GET", "https://[::1/a.png", 30, "x")
    done = read(str(write(tmp_path, [*life(), broken])))
    assert done.exit_code == 0, done.output
    assert "1 without a response, or unreadable" in done.output


@pytest.mark.parametrize("location", ["http://[::1/x", "//[", "http://a\u2100b.example/x"])
def test_a_result_that_redirects_to_no_url_is_a_finding(tmp_path, location) -> None:
    """A client can't get the file."""
    moved = entry(
        "GET", LINK, 30, "", status=302, headers=[{"name": "Location", "value": location}]
    )
    done = read(str(write(tmp_path, [*life(), moved])))
    assert (done.exit_code, "[link]" in done.output) == (1, True), done.output
    assert "which is no URL" in done.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "isn't a HAR file: it isn't JSON"),
        (b"\xff\xfe{", "isn't a HAR file: it isn't JSON"),
        (b"[" * 100_000, "isn't a HAR file: it isn't JSON"),
        (b"[]", "it has no list `log.entries`"),
        (b'{"log": {"entries": {}}}', "it has no list `log.entries`"),
        (b'{"log": {"entries": []}}', "has no request to the API; name its server by --base-url"),
        (b'{"log": {"entries": [null, 5, {}]}}', "has no request to the API"),
    ],
)
def test_a_broken_file_is_wrong_usage_with_one_sentence(tmp_path, content, message) -> None:
    """Nothing is judged, and the exit code is 2."""
    path = tmp_path / "broken.har"
    path.write_bytes(content)
    done = read(str(path))
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_a_missing_file_and_a_server_that_is_not_in_the_file_are_wrong_usage(tmp_path) -> None:
    """The message names what is missing."""
    assert "can't be read" in read(str(tmp_path / "none.har")).output
    done = read(str(write(tmp_path, life())), "--base-url", "https://nowhere.example/v1")
    assert (done.exit_code, "has no request to https://nowhere.example/v1" in done.output) == (2, 1)


BAD_URLS = (
    "https://[bad/v1/tasks/task-unified-1",
    "http://a.example:99999/v1/tasks/x",
    "http://a:b",
)


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_entry_whose_url_cannot_be_read_is_counted_and_the_others_are_judged(
    tmp_path, url
) -> None:
    """One entry doesn't cost the file."""
    entries = [*life(), entry("GET", url, 40, {})]
    done = read(str(write(tmp_path, entries)))
    assert done.exit_code == 0, done.output
    assert "1 without a response, or unreadable" in done.output


JSONS = st.recursive(
    st.sampled_from(BAD_URLS) | st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ALL = [*life(), *life(last=90), *others()]


@st.composite
def hostile_entries(draw: Any) -> list[Any]:
    """Entries in any order, repeated or left out, with any value anywhere."""
    chosen = draw(st.lists(st.sampled_from(ALL), min_size=1, max_size=8))
    entries = json.loads(json.dumps(chosen))
    for _ in range(draw(st.integers(0, 4))):
        node: Any = entries
        while isinstance(node, list | dict) and node:
            names = list(node) if isinstance(node, dict) else range(len(node))
            name = draw(st.sampled_from(list(names)))
            if not isinstance(node[name], list | dict) or draw(st.integers(0, 5)) == 0:
                node[name] = draw(st.one_of(JSONS, JSONS.map(json.dumps)))
                break
            node = node[name]
    return entries


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(hostile_entries(), st.floats(0.0, 1.0) | st.just(1.0))
def test_no_file_makes_the_reader_or_a_check_crash(tmp_path, entries, share) -> None:
    """Shuffled, repeated, hostile and cut files: a result without errors, or one sentence."""
    text = json.dumps({"log": {"entries": entries}}).encode()
    path = tmp_path / "hostile.har"
    path.write_bytes(text[: int(len(text) * share)])
    observer = Observer()
    with suppress(HarUnusable):
        judge_har(read_har(path), observer)
    assert not observer.errors, observer.errors[0].text
    json.dumps(observer.result().to_json())
