"""The error responses of the mock."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.plain_http import PLAIN
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


def send(http: httpx.Client, operation_id: str, **more: Any) -> httpx.Response:
    method, path = PATHS[operation_id]
    body = BODIES.get(operation_id)
    return http.request(
        method, path.replace("{task_id}", "task-unified-1-aaaaaaaa"), json=body, **more
    )


@pytest.mark.parametrize(("operation_id", "status"), STATUSES)
def test_prefer_causes_every_documented_error(http, validate, operation_id, status) -> None:
    """`Prefer: code=…` gets that status, and a body that the spec allows."""
    response = send(http, operation_id, headers={"Prefer": f"code={status}"})
    assert response.status_code == status
    assert response.headers["preference-applied"] == f"code={status}"
    error = validate(operation_id, response)["error"]
    assert error["code"] in {status, str(status)} or isinstance(error["code"], str)
    assert error["message"]
    assert ("retry-after" in response.headers) == (status in {429, 503})


@pytest.mark.parametrize(("operation_id", "status"), STATUSES)
def test_a_directive_causes_every_documented_error(http, validate, operation_id, status) -> None:
    """`[mock:code=…]` in a prompt has the effect of the header."""
    if operation_id not in BODIES:
        return
    method, path = PATHS[operation_id]
    body = {**BODIES[operation_id], "prompt": f"a cat [mock:code={status}]"}
    response = http.request(method, path, json=body)
    assert response.status_code == status
    validate(operation_id, response)


def test_an_undocumented_preference_is_rejected(http, validate) -> None:
    """A status that the spec doesn't have is a 400 that lists those it has."""
    for operation_id in PATHS:
        response = send(http, operation_id, headers={"Prefer": "code=418"})
        assert response.status_code == 400
        assert "418" in validate(operation_id, response)["error"]["message"]


def test_a_preference_for_success_is_ignored(http) -> None:
    """`Prefer: code=200` changes nothing."""
    response = http.post(
        SUBMISSIONS[0][0], json=SUBMISSIONS[0][1].example, headers={"Prefer": "code=200"}
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", "Basic dXNlcjpwYXNz", "Bearer a b", "Bearer a,b", "Bearer =", "token"],
)
def test_a_request_without_a_bearer_token_is_a_401(mock, validate, value) -> None:
    """A missing or malformed token is a 401, whatever else is wrong with the request."""
    headers = {} if value is None else {"Authorization": value}
    with httpx.Client(base_url=mock.base_url, headers=headers, **PLAIN) as http:
        for operation_id in PATHS:
            response = send(http, operation_id)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Bearer")
            validate(operation_id, response)


def test_a_server_with_one_key_rejects_all_others(validate) -> None:
    """With `api_key`, every other key is a 401."""
    with MockServer(api_key="the-key") as server:
        for key, status in (("the-key", 200), ("the-ke", 401), ("the-key2", 401), ("x", 401)):
            response = httpx.post(
                server.base_url + SUBMISSIONS[0][0],
                json=SUBMISSIONS[0][1].example,
                headers={"Authorization": f"Bearer {key}"},
                **PLAIN,
            )
            assert response.status_code == status


@pytest.mark.parametrize(("path", "model"), SUBMISSIONS)
class TestModel:
    """The model is validated first, because the other rules depend on it."""

    def test_an_unknown_model_is_not_found(self, http, validate, path, model) -> None:
        """The error is as documented, and suggests an existing model."""
        response = http.post(path, json={**model.example, "model": "no-such-model"})
        error = validate(model.operation_id, response)["error"]
        assert (response.status_code, error["param"]) == (404, "model")
        assert error["fallback_suggestion"] in CATALOG.models

    @pytest.mark.parametrize(
        "unknown",
        [
            "no-such-model", "x", "", "wan", "MODEL", "MODELS", "wan99-MODEL", "MODEL-fast",
        ],
    )  # fmt: skip
    def test_the_suggestion_does_the_same(self, http, path, model, unknown) -> None:
        """Whatever the unknown name, the suggested model takes the request as it is."""
        name = unknown.replace("MODEL", model.name.upper() if unknown == "MODEL" else model.name)
        body = {**model.example, "model": name}
        error = http.post(path, json=body).json()["error"]
        suggested = CATALOG.models[error["fallback_suggestion"]]
        assert (suggested.path, suggested.required) == (path, model.required)
        again = http.post(path, json={**body, "model": suggested.name})
        assert again.status_code == 200

    def test_a_name_almost_right_is_completed(self, http, path, model) -> None:
        """An almost equal name wins, even if the request isn't complete."""
        for name in (model.name.upper(), model.name + "s", model.name.replace(".", "")):
            error = http.post(path, json={"model": name}).json()["error"]
            assert error["fallback_suggestion"] == model.name

    def test_a_model_of_another_path_is_not_found(self, http, path, model) -> None:
        """A model exists at its own path only."""
        others = [other for other in CATALOG.models.values() if other.path != path]
        assert others
        assert http.post(path, json=others[0].example).status_code == 404

    @pytest.mark.parametrize("wrong", [None, 3, True, [], {}, ["a"]])
    def test_a_model_is_a_string(self, http, validate, path, model, wrong) -> None:
        """A model that isn't a string is a 400 that lists the models."""
        response = http.post(path, json={**model.example, "model": wrong})
        error = validate(model.operation_id, response)["error"]
        assert (response.status_code, error["param"]) == (400, "model")
        assert model.name in error["message"]

    def test_a_model_is_required(self, http, validate, path, model) -> None:
        """A request without a model is a 400 that lists the models."""
        response = http.post(path, json={})
        error = validate(model.operation_id, response)["error"]
        assert (response.status_code, error["param"]) == (400, "model")
        assert "required" in error["message"]


@pytest.mark.parametrize("name", sorted(CATALOG.models))
def test_a_violation_names_its_parameter(http, validate, name) -> None:
    """The 400 names the parameter, what is allowed, and what was sent."""
    model = CATALOG.models[name]
    for parameter, rule in model.parameters.items():
        wrong: Any = [] if rule.get("type") == "string" else "wrong"
        response = http.post(model.path, json={**model.example, parameter: wrong})
        error = validate(model.operation_id, response)["error"]
        assert (response.status_code, error["param"]) == (400, parameter)
        assert error["message"].startswith(parameter)


def test_an_enum_is_listed(http) -> None:
    """The message lists the allowed values."""
    found = [one for one in CATALOG.models.values() if "enum" in one.parameters.get("duration", {})]
    assert found
    for model in found:
        allowed = ", ".join(str(value) for value in model.parameters["duration"]["enum"])
        response = http.post(model.path, json={**model.example, "duration": 7})
        assert response.json()["error"]["message"] == f"duration must be one of {allowed} (got 7)"


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
def test_broken_json_is_a_400(http, validate, content) -> None:
    """A body that isn't a JSON object in UTF-8 is rejected before it is validated."""
    for path, model in SUBMISSIONS:
        headers = {"Content-Type": "application/json"}
        response = http.post(path, content=content, headers=headers)
        assert response.status_code == 400
        validate(model.operation_id, response)


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udfff\\ud800", "\\u202e", "\U0001d518"])
def test_unusual_characters_cause_no_error(http, validate, text) -> None:
    """NUL bytes and lone surrogates, in keys or values, are validated like anything else."""
    for path, model in SUBMISSIONS:
        for content in (
            f'{{"model":"{model.name}","prompt":"{text}","x":"{text}"}}',
            f'{{"model":"{model.name}","prompt":"x","{text}":1}}',
            f'{{"model":"{text}"}}',
        ):
            headers = {"Content-Type": "application/json"}
            response = http.post(path, content=content.encode(), headers=headers)
            assert response.status_code in {200, 400, 404}
            validate(model.operation_id, response)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"]
)
def test_another_content_type_is_a_400(http, validate, kind) -> None:
    """Only JSON is accepted; the message says so."""
    for path, model in SUBMISSIONS:
        response = http.post(path, content=b"{}", headers={"Content-Type": kind})
        assert response.status_code == 400
        assert "application/json" in validate(model.operation_id, response)["error"]["message"]


def test_a_charset_is_ignored(http) -> None:
    """Parameters of the content type are ignored."""
    path, model = SUBMISSIONS[0]
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    content = httpx.Request("POST", "http://x", json=model.example).content
    assert http.post(path, content=content, headers=headers).status_code == 200


def test_a_huge_body_is_a_413(http, mock) -> None:
    """A body beyond the limit is rejected, with and without a content length."""
    headers = {"Content-Type": "application/json"}
    chunk = b" " * 65536
    for content in (chunk * 20, (chunk for _ in range(20))):
        response = http.post(SUBMISSIONS[0][0], content=content, headers=headers)
        assert response.status_code == 413
        assert response.json()["error"]["type"] == "request_too_large_error"


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
    """A path that the spec doesn't have is a 404."""
    response = http.get(path)
    assert response.status_code == 404
    assert response.json()["error"] == {
        "code": 404,
        "message": f"Invalid URL (GET {path})",
        "type": "invalid_request_error",
    }


def test_the_path_of_the_server_url_is_required(http, mock) -> None:
    """Without the path of the spec's server URL, the response is 404."""
    assert mock.base_url != mock.url
    assert http.post(mock.url + SUBMISSIONS[0][0], json={}).status_code == 404


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "POST"]
)
def test_an_undocumented_method_is_a_405(http, method) -> None:
    """The Allow header has the documented method."""
    for documented, path in PATHS.values():
        if method.lower() != documented:
            response = http.request(method, path)
            assert (response.status_code, response.headers["allow"]) == (405, documented.upper())


@pytest.mark.parametrize("word", ["[mock:nonsense=1]", "[mock:code=99]", "[mock:fail=No-Code]"])
def test_an_invalid_directive_is_a_400(http, word) -> None:
    """A misspelt directive is an error, never ignored."""
    path, model = SUBMISSIONS[0]
    response = http.post(path, json={**model.example, "prompt": word})
    assert response.status_code == 400
    assert "mock:" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "name", ["x", "task-1", "task-unified", "Task-unified-1-a", " task-unified-1-a", "1", "%00",
             "task_unified-1-a"]
)  # fmt: skip
def test_an_id_of_the_wrong_form_is_a_400(http, validate, name) -> None:
    """An id that doesn't begin as all ids do is answered as the documents' example."""
    response = http.get(f"/v1/tasks/{name}")
    example = CATALOG.status_operation.node["responses"]["400"]["content"]["application/json"]
    assert response.status_code == 400
    assert validate("getTaskDetail", response) == example["examples"]["default"]["value"]


def test_an_unknown_task_is_not_found(http, validate) -> None:
    """An id that was never issued is a 404 with the parameter's name."""
    for task in ("task-unified-1756817821-4x3rx6ny", "task-unified-0-x"):
        response = http.get(f"/v1/tasks/{task}")
        assert (response.status_code, validate("getTaskDetail", response)["error"]["param"]) == (
            404,
            "task_id",
        )
