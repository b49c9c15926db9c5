"""What the mock refuses, and how it says so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

CATALOG = packaged_catalog()
SUBMISSIONS = sorted({model.path: model for model in CATALOG.models.values()}.items())
STATUSES = [
    (one.operation_id, int(status))
    for one in CATALOG.operations
    for status in one.node["responses"]
    if int(status) >= 400
]
PATHS = {one.operation_id: (one.method, one.path) for one in CATALOG.operations}
BODIES = {model.operation_id: model.example for model in CATALOG.models.values()}
assert SUBMISSIONS
assert STATUSES


def ask(http: httpx.Client, operation_id: str, **more: Any) -> httpx.Response:
    method, path = PATHS[operation_id]
    body = BODIES.get(operation_id)
    return http.request(
        method, path.replace("{task_id}", "task-unified-1-aaaaaaaa"), json=body, **more
    )


@pytest.mark.parametrize(("operation_id", "status"), STATUSES)
def test_prefer_brings_every_documented_error(http, judge, operation_id, status) -> None:
    """`Prefer: code=…` is answered with that status, and a body that the document allows."""
    answer = ask(http, operation_id, headers={"Prefer": f"code={status}"})
    assert answer.status_code == status
    assert answer.headers["preference-applied"] == f"code={status}"
    error = judge(operation_id, answer)["error"]
    assert error["code"] in {status, str(status)} or isinstance(error["code"], str)
    assert error["message"]
    assert ("retry-after" in answer.headers) == (status in {429, 503})


@pytest.mark.parametrize(("operation_id", "status"), STATUSES)
def test_a_magic_word_brings_every_documented_error(http, judge, operation_id, status) -> None:
    """`[mock:code=…]` in a text does what the header does, where there is a text."""
    if operation_id not in BODIES:
        return
    method, path = PATHS[operation_id]
    body = {**BODIES[operation_id], "prompt": f"a cat [mock:code={status}]"}
    answer = http.request(method, path, json=body)
    assert answer.status_code == status
    judge(operation_id, answer)


def test_an_undocumented_preference_is_refused(http, judge) -> None:
    """A status that the document doesn't have is a 400 that lists those it has."""
    for operation_id in PATHS:
        answer = ask(http, operation_id, headers={"Prefer": "code=418"})
        assert answer.status_code == 400
        assert "418" in judge(operation_id, answer)["error"]["message"]


def test_a_preference_for_success_is_none(http) -> None:
    """`Prefer: code=200` changes nothing."""
    answer = http.post(
        SUBMISSIONS[0][0], json=SUBMISSIONS[0][1].example, headers={"Prefer": "code=200"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", "Basic dXNlcjpwYXNz", "Bearer a b", "Bearer a,b", "Bearer =", "token"],
)
def test_without_a_bearer_token_nobody_gets_in(mock, judge, value) -> None:
    """A missing or malformed token is a 401, whatever else is wrong with the request."""
    headers = {} if value is None else {"Authorization": value}
    with httpx.Client(base_url=mock.base_url, headers=headers, trust_env=False) as http:
        for operation_id in PATHS:
            answer = ask(http, operation_id)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            judge(operation_id, answer)


def test_a_server_with_a_key_lets_no_other_in(judge) -> None:
    """Where one key is given, every other is a 401."""
    with MockServer(api_key="the-key") as server:
        for key, status in (("the-key", 200), ("the-ke", 401), ("the-key2", 401), ("x", 401)):
            answer = httpx.post(
                server.base_url + SUBMISSIONS[0][0],
                json=SUBMISSIONS[0][1].example,
                headers={"Authorization": f"Bearer {key}"},
                trust_env=False,
            )
            assert answer.status_code == status


@pytest.mark.parametrize(("path", "model"), SUBMISSIONS)
class TestModel:
    """The model is looked at first: it chooses the rules for all the rest."""

    def test_an_unknown_model_is_not_found(self, http, judge, path, model) -> None:
        """The answer is the documents' own, with a model that exists."""
        answer = http.post(path, json={**model.example, "model": "no-such-model"})
        error = judge(model.operation_id, answer)["error"]
        assert (answer.status_code, error["param"]) == (404, "model")
        assert error["fallback_suggestion"] in CATALOG.models

    def test_a_model_of_another_path_is_not_found(self, http, path, model) -> None:
        """A model is known at its own path only."""
        others = [other for other in CATALOG.models.values() if other.path != path]
        assert others
        assert http.post(path, json=others[0].example).status_code == 404

    @pytest.mark.parametrize("wrong", [None, 3, True, [], {}, ["a"]])
    def test_a_model_is_a_string(self, http, judge, path, model, wrong) -> None:
        """A model that isn't a string is a 400 that lists the models."""
        answer = http.post(path, json={**model.example, "model": wrong})
        error = judge(model.operation_id, answer)["error"]
        assert (answer.status_code, error["param"]) == (400, "model")
        assert model.name in error["message"]

    def test_a_model_is_required(self, http, judge, path, model) -> None:
        """A request without a model is a 400 that lists the models."""
        answer = http.post(path, json={})
        error = judge(model.operation_id, answer)["error"]
        assert (answer.status_code, error["param"]) == (400, "model")
        assert "required" in error["message"]


@pytest.mark.parametrize("name", sorted(CATALOG.models))
def test_a_broken_rule_is_told_with_its_parameter(http, judge, name) -> None:
    """The 400 names the parameter, what is allowed, and what was sent."""
    model = CATALOG.models[name]
    for parameter, rule in model.parameters.items():
        wrong: Any = [] if rule.get("type") == "string" else "wrong"
        answer = http.post(model.path, json={**model.example, parameter: wrong})
        error = judge(model.operation_id, answer)["error"]
        assert (answer.status_code, error["param"]) == (400, parameter)
        assert error["message"].startswith(parameter)


def test_an_enum_is_listed(http) -> None:
    """The message reads as a person would write it."""
    found = [one for one in CATALOG.models.values() if "enum" in one.parameters.get("duration", {})]
    assert found
    for model in found:
        allowed = ", ".join(str(value) for value in model.parameters["duration"]["enum"])
        answer = http.post(model.path, json={**model.example, "duration": 7})
        assert answer.json()["error"]["message"] == f"duration must be one of {allowed} (got 7)"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"nul",
        b"[]",
        b'"text"',
        b"3",
        b"null",
        b"\xff\xfe",
        b'{"model": NaN}',
        b'{"model": "\x00"}',
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"n": ' + b"9" * 5000 + b"}",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
    ],
    ids=range(15),
)
def test_broken_json_is_a_400(http, judge, content) -> None:
    """What isn't a JSON object in UTF-8 is refused before anything else is looked at."""
    for path, model in SUBMISSIONS:
        headers = {"Content-Type": "application/json"}
        answer = http.post(path, content=content, headers=headers)
        assert answer.status_code == 400
        judge(model.operation_id, answer)


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udfff\\ud800", "\\u202e", "\U0001d518"])
def test_strange_letters_are_survived(http, judge, text) -> None:
    """NUL bytes and lone surrogates, in keys or values, are judged like anything else."""
    for path, model in SUBMISSIONS:
        for content in (
            f'{{"model":"{model.name}","prompt":"{text}","x":"{text}"}}',
            f'{{"model":"{model.name}","prompt":"x","{text}":1}}',
            f'{{"model":"{text}"}}',
        ):
            headers = {"Content-Type": "application/json"}
            answer = http.post(path, content=content.encode(), headers=headers)
            assert answer.status_code in {200, 400, 404}
            judge(model.operation_id, answer)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"]
)
def test_another_content_type_is_a_400(http, judge, kind) -> None:
    """Only JSON is taken; the message says so."""
    for path, model in SUBMISSIONS:
        answer = http.post(path, content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 400
        assert "application/json" in judge(model.operation_id, answer)["error"]["message"]


def test_a_charset_is_no_matter(http) -> None:
    """Parameters of the content type don't change what it is."""
    path, model = SUBMISSIONS[0]
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    content = httpx.Request("POST", "http://x", json=model.example).content
    assert http.post(path, content=content, headers=headers).status_code == 200


def test_a_huge_body_is_a_413(http, mock) -> None:
    """A body over the bound is refused, whether or not its length is told beforehand."""
    headers = {"Content-Type": "application/json"}
    chunk = b" " * 65536
    for content in (chunk * 20, (chunk for _ in range(20))):
        answer = http.post(SUBMISSIONS[0][0], content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "request_too_large_error"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/tasks",
        "/v1/tasks/",
        "/v1/tasks/a/b",
        "/v1/videos/generations/",
        "/v2/x",
        "/%00",
    ],
)
def test_an_unknown_path_is_a_404(http, path) -> None:
    """Nothing is served where the document has nothing."""
    answer = http.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"


def test_the_path_of_the_server_is_part_of_it(http, mock) -> None:
    """Without the path of the document's server URL, there is nothing."""
    assert mock.base_url != mock.url
    assert http.post(mock.url + SUBMISSIONS[0][0], json={}).status_code == 404


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "POST"]
)
def test_an_undocumented_method_is_a_405(http, method) -> None:
    """The answer says which method is allowed."""
    for documented, path in PATHS.values():
        if method.lower() != documented:
            answer = http.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, documented.upper())


@pytest.mark.parametrize("word", ["[mock:nonsense=1]", "[mock:code=99]", "[mock:fail=No-Code]"])
def test_a_magic_word_that_makes_no_sense_is_a_400(http, word) -> None:
    """A misspelt word is told, never ignored."""
    path, model = SUBMISSIONS[0]
    answer = http.post(path, json={**model.example, "prompt": word})
    assert answer.status_code == 400
    assert "mock:" in answer.json()["error"]["message"]


def test_an_unknown_task_is_not_found(http, judge) -> None:
    """An id that was never given is a 404 with the parameter's name."""
    for task in ("task-unified-1756817821-4x3rx6ny", "task-unified-0-x"):
        answer = http.get(f"/v1/tasks/{task}")
        assert (answer.status_code, judge("getTaskDetail", answer)["error"]["param"]) == (
            404,
            "task_id",
        )
