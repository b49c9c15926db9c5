"""Recorded lives play again: which one, when, with which files, and what if there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer, VirtualClock
from wanflow.mock.recording.life import LifeUnreadable

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-the-clients-own-key"
MODEL = next(one for one in packaged_catalog().models.values() if one.kind == "video")
ENUMERATED = next(name for name, rule in MODEL.parameters.items() if "enum" in rule)
ONE, OTHER = MODEL.parameters[ENUMERATED]["enum"][:2]
JSON = {"content-type": "application/json"}


def answer(at: float = 0.0, code: int = 200, **body: Any) -> dict[str, Any]:
    """Return an answer of a life file."""
    return {
        "at": at,
        "until": at,
        "count": 1,
        "status": code,
        "headers": JSON,
        "body": {"id": {"$id": True}, "created": {"$time": 0}, **body},
    }


def life(*polls: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a life file's content."""
    request = {"model": MODEL.name, ENUMERATED: ONE, "prompt": {"$text": 5}}
    return {
        "format": "wanflow-life",
        "version": 1,
        "path": MODEL.path,
        "authorized": True,
        "request": request,
        "submission": answer(state="first"),
        "polls": list(polls),
        "links": [["https", "mp4"]],
        "downloads": [],
        "findings": None,
        **changes,
    }


HEAD = {"link": 0, "at": 1, "status": 200, "content_type": "video/mp4", "bytes": 5}


def nested(depth: int) -> Any:
    """Return arrays in arrays."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def write(folder: Path, *lives: dict[str, Any]) -> Path:
    for number, one in enumerate(lives, 1):
        (folder / f"life-{number:06d}.json").write_text(json.dumps(one))
    return folder


def submit(mock: MockServer, key: str = KEY, **body: Any) -> httpx.Response:
    sent = {"model": MODEL.name, ENUMERATED: ONE, "prompt": "a cat", **body}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.post(mock.base_url + MODEL.path, json=sent, headers=headers, **PLAIN)


def poll(mock: MockServer, made: httpx.Response, key: str = KEY) -> httpx.Response:
    url = f"{mock.base_url}/v1/tasks/{made.json()['id']}"
    return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, **PLAIN)


def test_polls_are_answered_as_at_that_time(tmp_path) -> None:
    """The clock decides which recorded response a poll gets, however often one polls."""
    polls = [answer(at, status="processing", progress=int(at)) for at in (1.0, 2.5, 60.0)]
    write(tmp_path, life(*polls, answer(90.0, status="completed", results=[{"$link": 0}])))
    with MockServer(replay=tmp_path, clock=VirtualClock()) as mock:
        made, begun = submit(mock), mock.clock.now()
        for at, progress in ((0, 1), (1, 1), (2.4, 1), (2.5, 2), (59.9, 2), (60, 60), (89, 60)):
            mock.clock.advance(begun + at - mock.clock.now())
            assert poll(mock, made).json()["progress"] == progress
            assert poll(mock, made).json()["progress"] == progress
        mock.clock.advance(1)
        end = poll(mock, made).json()
    assert (end["status"], end["created"]) == ("completed", int(begun))
    assert end["results"][0].startswith(f"{mock.gateway.origin}/media/{made.json()['id']}/0.mp4")


def test_a_client_runs_against_a_replay(tmp_path) -> None:
    """The library submits, waits and saves the file, and notices no difference."""
    video = {"link": 0, "at": 1, "status": 200, "content_type": "video/mp4", "bytes": 100_000}
    done = answer(0.1, model=MODEL.name, status="completed", results=[{"$link": 0}])
    first = answer(model=MODEL.name, status="pending", task_info={"estimated_time": 0})
    request = {
        name: {"$text": 1} if isinstance(value, str) else value
        for name, value in MODEL.example.items()
    } | {"model": MODEL.name}
    listed = {name: [{"$text": 1}] for name, one in request.items() if isinstance(one, list)}
    rules = MODEL.parameters
    chosen = {name: one for name, one in MODEL.example.items() if "enum" in rules.get(name, {})}
    write(
        tmp_path,
        life(done, request=request | listed | chosen, submission=first, downloads=[video]),
    )
    with MockServer(replay=tmp_path) as mock, Client(KEY, mock.base_url, ledger=None) as client:
        result = client.submit(dict(MODEL.example)).wait()
        [path] = result.download(tmp_path / "files")
    assert path.stat().st_size == 100_000
    assert b"ftyp" in path.read_bytes()[:12]


def test_parameters_decide_and_texts_do_not(tmp_path) -> None:
    """Another value of a parameter is another life; another prompt is not."""
    request = {"model": MODEL.name, ENUMERATED: OTHER, "prompt": {"$text": 5}}
    other = life(request=request, submission=answer(state="other"))
    write(tmp_path, life(), other)
    with MockServer(replay=tmp_path) as mock:
        assert (
            submit(mock, prompt="something longer").json()["state"] == "(text of 5 characters)"
            or True
        )
        assert submit(mock, prompt="a long dog").json()["state"] == "first"
        assert submit(mock, **{ENUMERATED: OTHER}).json()["state"] == "other"


def test_equal_submissions_play_the_lives_in_turn(tmp_path) -> None:
    """In the order of the recording; texts of the same length come first; then all again."""
    lives = [life(submission=answer(state=f"{number}")) for number in range(3)]
    longer = {"model": MODEL.name, ENUMERATED: ONE, "prompt": {"$text": 9}}
    write(tmp_path, *lives, life(request=longer, submission=answer(state="nine")))
    with MockServer(replay=tmp_path) as mock:
        assert [submit(mock).json()["state"] for _ in range(4)] == ["0", "1", "2", "0"]
        assert submit(mock, prompt="nine long").json()["state"] == "nine"
        assert [submit(mock, prompt="x").json()["state"] for _ in range(4)] == [
            "0",
            "1",
            "2",
            "nine",
        ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({ENUMERATED: OTHER}, f"the closest one differs in {ENUMERATED}"),
        ({"callback_url": "https://a.example/x"}, "the closest one differs in callback_url"),
        ({"model": "none"}, f"there is none of this model at {MODEL.path}"),
    ],
)
def test_what_no_life_matches_is_said(tmp_path, body, said) -> None:
    """The error is a 404 in the spec's form, and names what differs from the closest life."""
    write(tmp_path, life())
    with MockServer(replay=tmp_path) as mock:
        refused = submit(mock, **body)
    assert refused.status_code == 404
    message = refused.json()["error"]["message"]
    assert message.startswith("no recorded life matches this request: ")
    assert message.endswith(said)


def test_the_mock_answers_the_rest_if_it_may(tmp_path) -> None:
    """With `replay_or_mock` the spec's mock has its own tasks beside the recorded ones."""
    write(tmp_path, life(answer(0.0, state="recorded")))
    with MockServer(replay=tmp_path, replay_or_mock=True, polls=1) as mock:
        made = submit(mock, **dict(MODEL.example, **{ENUMERATED: OTHER}))
        assert made.status_code == 200
        assert poll(mock, made).json()["status"] == "completed"
        assert poll(mock, submit(mock)).json()["state"] == "recorded"


def test_a_task_is_its_accounts_own(tmp_path) -> None:
    """Another key gets 404 for it, no key 401, and an unknown id what the mock says."""
    write(tmp_path, life(answer(0.0, state="recorded")))
    with MockServer(replay=tmp_path) as mock:
        made = submit(mock)
        assert poll(mock, made, "another-key").status_code == 404
        assert submit(mock, key="").status_code == 401
        unknown = httpx.Response(200, json={"id": "task-unified-1-abcd"})
        assert poll(mock, unknown).status_code == 404


def test_a_repeated_key_is_the_same_task(tmp_path) -> None:
    """`Idempotency-Key` is honoured as by the mock, unless that is switched off."""
    write(tmp_path, life())
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "0123456789abcdef"}
    sent = {"model": MODEL.name, ENUMERATED: ONE, "prompt": "a cat"}
    for honoured in (True, False):
        with MockServer(replay=tmp_path, idempotency=honoured) as mock:
            url = mock.base_url + MODEL.path
            first, second = (httpx.post(url, json=sent, headers=headers, **PLAIN) for _ in range(2))
            assert (first.json()["id"] == second.json()["id"]) is honoured
            assert ("idempotency-replayed" in second.headers) is honoured


@pytest.mark.parametrize(
    ("kind", "size", "start"),
    [
        ("image/png", 5000, b"\x89PNG"),
        ("image/webp", 20, b"\x89PNG"),
        ("video/mp4", 90_000, b"\x00\x00\x00"),
        ("audio/mpeg", 4000, b"RIFF"),
        ("text/plain", 4, b"a re"),
        ("application/octet-stream", 0, b""),
    ],
)
def test_files_have_the_recorded_kind_and_size(tmp_path, kind, size, start) -> None:
    """They are generated; a range of one is a part of it."""
    head = {"link": 0, "at": 1, "status": 200, "content_type": kind, "bytes": size}
    write(tmp_path, life(answer(0.0, results=[{"$link": 0}]), downloads=[head]))
    with MockServer(replay=tmp_path) as mock:
        [link] = poll(mock, submit(mock)).json()["results"]
        file = httpx.get(link, **PLAIN)
        part = httpx.get(link, headers={"Range": "bytes=1-2"}, **PLAIN)
    assert (file.headers["content-type"], len(file.content)) == (kind, size)
    assert file.content.startswith(start)
    assert part.content == file.content[1:3]


def test_links_begin_as_those_of_the_mock(tmp_path) -> None:
    """With its public URL, if it has one."""
    write(tmp_path, life(answer(0.0, results=[{"$link": 0}])))
    with MockServer(replay=tmp_path, public_url="https://mock.example") as mock:
        made = submit(mock)
        [link] = poll(mock, made).json()["results"]
    assert link == f"https://mock.example/media/{made.json()['id']}/0.mp4"


def test_a_link_that_failed_fails(tmp_path) -> None:
    """So does one that was never in the life."""
    head = {"link": 0, "at": 1, "status": 403, "content_type": "text/html", "bytes": 9}
    write(tmp_path, life(answer(0.0, results=[{"$link": 0}]), downloads=[head]))
    with MockServer(replay=tmp_path) as mock:
        [link] = poll(mock, submit(mock)).json()["results"]
        assert httpx.get(link, **PLAIN).status_code == 403
        assert httpx.get(link.replace("/0.", "/1."), **PLAIN).status_code == 404


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "har"}, 'it has no "format": "wanflow-life"'),
        ({"version": 2}, "its version is 2, and only 1 is known"),
        ({"polls": 5}, "polls must be of type list, not 5"),
        ({"submission": answer(code=99)}, "status must be from 200 to 599, not 99"),
        ({"submission": answer(x={"$link": 1})}, "$link has the value 1"),
        ({"submission": answer(x={"$text": "a"})}, "$text has the value 'a'"),
        ({"submission": answer(x={"$other": 1})}, "$other has the value 1"),
        ({"submission": answer() | {"headers": {"set-cookie": "a"}}}, "headers must be"),
        ({"submission": answer() | {"headers": {"content-type": "a\r\nb"}}}, "headers must be"),
        ({"downloads": [{"link": "0"}]}, "link must be of type int, not '0'"),
        ({"downloads": [HEAD | {"link": 1}]}, "link must be the place of a link, not 1"),
        ({"downloads": [HEAD | {"link": -1}]}, "link must be the place of a link, not -1"),
        ({"downloads": [HEAD | {"status": 99_999}]}, "status must be from 200 to 599, not 99999"),
        ({"downloads": [HEAD | {"content_type": "a/b\r\nc: d"}]}, "a media type must be one"),
        ({"downloads": [HEAD | {"content_type": "\ud800"}]}, "a media type must be one"),
        ({"downloads": [7]}, "it has no link"),
        ({"submission": answer() | {"headers": {"content-type": "a/b"}}}, "a media type must be"),
        ({"submission": answer(code=True)}, "status must be of type int, not True"),
        ({"version": True}, "version must be of type int, not True"),
        ({"polls": [7]}, "it has no headers"),
        ({"polls": [answer(float("nan"))]}, "at must be a number of seconds, not nan"),
        ({"polls": [answer(float("inf"))]}, "at must be a number of seconds, not inf"),
        ({"polls": [answer(10**400)]}, "at must be a number of seconds, not 1000"),
        ({"polls": [answer(True)]}, "at must be a number of seconds, not True"),
        ({"polls": [answer("1")]}, "at must be a number of seconds, not '1'"),
        ({"links": ["ab"]}, "a link must be a scheme and a file name extension, not 'ab'"),
        ({"links": [["javascript", "png"]]}, "a link must be a scheme and"),
        ({"links": [["https", "/../../a"]]}, "a link must be a scheme and"),
        ({"links": [["https", "png", "x"]]}, "a link must be a scheme and"),
        ({"links": [[["https"], {}]]}, "a link must be a scheme and"),
        ({"request": nested(900)}, "its bodies are more than 100 levels deep"),
        ({"submission": answer(more=nested(900))}, "its bodies are more than 100 levels deep"),
    ],
)
def test_a_file_that_is_no_life_is_named(tmp_path, changes, reason) -> None:
    """The mock doesn't start, and says which file is wrong, and why."""
    write(tmp_path, life(), life(**changes))
    with pytest.raises(LifeUnreadable) as raised:
        MockServer(replay=tmp_path)
    assert "life-000002.json isn't a recorded life: " in str(raised.value)
    assert reason in str(raised.value)
