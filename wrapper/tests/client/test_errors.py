"""Every documented status has its error class; invalid input is rejected before it is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import httpx
from wanflow import Client, errors
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import resolve_ref

if TYPE_CHECKING:
    from wanflow.mock import MockServer

ID = "task-unified-1760000000-abcd1234"
KINDS = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    402: errors.InsufficientCredits,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    413: errors.RequestTooLarge,
    429: errors.RateLimited,
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.ServerError,
}
CATALOG = packaged_catalog()


def documented() -> list[Any]:
    """Each error example of each operation: its operation, status and body."""
    return [
        pytest.param(operation.operation_id, int(status), example["value"], id=name)
        for operation in CATALOG.operations
        for status, node in operation.node["responses"].items()
        if status != "200"
        for label, example in resolve_ref(CATALOG.document, node)["content"]["application/json"]
        .get("examples", {})
        .items()
        for name in [f"{operation.operation_id}-{status}-{label}"]
    ]


def request_of(operation_id: str) -> dict[str, Any]:
    """A valid request for a submission."""
    model = next(m for m in CATALOG.models.values() if m.operation_id == operation_id)
    body = {name: value for name, value in model.example.items() if name != "callback_url"}
    if "image_urls" in model.required:
        body["image_urls"] = ["https://images.example/a.png"]
    return {**body, "model": model.name}


def test_the_spec_has_error_examples() -> None:
    """The next test has cases."""
    assert len(documented()) > 20


@pytest.mark.parametrize(("operation_id", "status", "body"), documented())
def test_a_documented_error_has_its_class(
    operation_id: str, status: int, body: dict[str, Any], runner: Any
) -> None:
    """The spec's example of each response becomes the typed error, with all fields.

    After a submission, a 500 or 502 is the cause of a SubmitUncertain.
    """
    requests: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request.method)
        return httpx.Response(status, json=body, headers={"x-request-id": "r-1"})

    client = runner.client(
        api_key="k",
        base_url="http://api.example/base",
        transport=httpx.MockTransport(respond),
        retry_timeout=0,
    )
    submission = operation_id != CATALOG.status_operation.operation_id
    request = [client.submit, request_of(operation_id)] if submission else [client.task(ID).refresh]
    uncertain = submission and status in {500, 502}
    with pytest.raises(errors.SubmitUncertain if uncertain else KINDS[status]) as caught:
        runner.do(*request)
    error: Any = caught.value
    if uncertain:
        assert (error.status, error.code, error.body) == (status, body["error"].get("code"), body)
        assert body["error"]["message"] in str(error)
        error = error.__cause__
    assert type(error) is KINDS[status]
    assert (error.status, error.request_id) == (status, "r-1")
    for name in ("code", "type", "param", "fallback_suggestion"):
        assert getattr(error, name) == body["error"].get(name), name
    assert body["error"]["message"] in str(error)
    assert error.body == body
    assert error.task_id == (None if submission else ID)
    assert len(requests) == 1


@pytest.mark.parametrize("status", [*range(400, 430), *range(500, 530), 599])
@pytest.mark.parametrize("code", [7, "quota_exceeded"])
def test_any_status_has_an_error_class(status: int, code: int | str, runner: Any) -> None:
    """Undocumented statuses, and codes that are integers or strings, are typed errors, too."""
    client = runner.client(
        api_key="k",
        base_url="http://api.example/base",
        transport=httpx.MockTransport(
            lambda _: httpx.Response(
                status, json={"error": {"code": code, "message": "m", "param": "p"}}
            )
        ),
    )
    with pytest.raises(errors.APIError) as caught:
        runner.do(client.task(ID).refresh)
    assert caught.value.code == code
    assert isinstance(caught.value, KINDS.get(status, errors.APIError))
    assert isinstance(caught.value, errors.ServerError) is (status >= 500)


def silent(_: httpx.Request) -> httpx.Response:
    raise AssertionError("something was sent")


MODEL = next(model for model in CATALOG.models.values() if "duration" in model.parameters)
OTHER = next(
    name
    for model in CATALOG.models.values()
    for name in model.parameters
    if name not in MODEL.parameters
)
GOOD: dict[str, Any] = request_of(MODEL.operation_id) | {"model": MODEL.name}

BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no model": ({"prompt": "x"}, ["model is required", *CATALOG.models]),
    "an unknown model": (
        {"model": MODEL.name + "o", "prompt": "x"},
        [MODEL.name + "o", f"did you mean {MODEL.name}?"],
    ),
    "a model that is not a string": ({"model": 7, "prompt": "x"}, ["model is required"]),
    "a missing parameter": (
        {name: value for name, value in GOOD.items() if name != "prompt"},
        ["prompt is required"],
    ),
    "a wrong value": (GOOD | {"duration": 7}, ["duration must be one of", "7"]),
    "a wrong type": (GOOD | {"duration": "five"}, ["duration must be", "five"]),
    "another model's parameter": (
        GOOD | {OTHER: "x"},
        [f"{OTHER} is no parameter of {MODEL.name}", "take it"],
    ),
    "a misspelt parameter": (GOOD | {"promt": "x"}, ["did you mean prompt?"]),
    "an internal callback": (
        GOOD | {"callback_url": "https://127.0.0.1/x"},
        ["callback_url", "127.0.0.1"],
    ),
    "a value that JSON doesn't have": (
        GOOD | {"prompt": b"x"},
        ["prompt can't be written as JSON", "bytes"],
    ),
    "a value that JSON doesn't have, in a list": (
        GOOD | {"image_urls": ["https://a.example/a.png", {1}]},
        ["image_urls[1] can't be written as JSON"],
    ),
    "half a character": (GOOD | {"prompt": "\ud800"}, ["prompt can't be written as JSON"]),
    "a number that JSON doesn't have": (GOOD | {"duration": float("nan")}, ["duration"]),
}


@pytest.mark.parametrize(("request_", "message"), BAD.values(), ids=BAD.keys())
def test_an_invalid_request_is_rejected_before_it_is_sent(
    request_: dict[str, Any], message: list[str], runner: Any
) -> None:
    """One InvalidRequest says what is wrong and what is allowed."""
    client = runner.client(
        api_key="k", base_url="http://api.example", transport=httpx.MockTransport(silent)
    )
    with pytest.raises(errors.InvalidRequest) as caught:
        runner.do(client.submit, request_)
    assert all(words in str(caught.value) for words in message), caught.value
    assert isinstance(caught.value, ValueError)


def test_two_violations_of_one_value_are_one_line_of_the_message(runner: Any) -> None:
    """The allowed values imply the type; both constraints are among the violations."""
    client = runner.client(
        api_key="k", base_url="http://api.example", transport=httpx.MockTransport(silent)
    )
    with pytest.raises(errors.InvalidRequest) as caught:
        runner.do(client.submit, GOOD | {"duration": "5"})
    assert str(caught.value).count("duration must") == 1
    assert str(caught.value).startswith(f"{MODEL.name}: duration must be one of")
    assert {violation.rule for violation in caught.value.violations} == {"type", "enum"}


def test_a_path_instead_of_a_list_is_rejected(runner: Any) -> None:
    """The message shows how to write the list."""
    client = runner.client(
        api_key="k", base_url="http://api.example", transport=httpx.MockTransport(silent)
    )
    listed = next(one for one in CATALOG.models.values() if "image_urls" in one.required)
    body = request_of(listed.operation_id) | {"image_urls": Path("a.png")}
    with pytest.raises(errors.InvalidRequest, match="must be a list") as caught:
        runner.do(client.submit, body)
    assert "image_urls=[Path('a.png')]" in str(caught.value)


def test_every_violation_is_listed(runner: Any) -> None:
    """Each has the pointer, constraint, value, and the sentence of the spec."""
    client = runner.client(
        api_key="k", base_url="http://api.example", transport=httpx.MockTransport(silent)
    )
    with pytest.raises(errors.InvalidRequest) as caught:
        runner.do(client.submit, GOOD | {"duration": 7, "promt": 1, "prompt": 3})
    found = {violation.pointer: violation for violation in caught.value.violations}
    assert set(found) >= {"/duration", "/promt", "/prompt"}
    duration = found["/duration"]
    assert (duration.rule, duration.value) == ("enum", 7)
    assert duration.citation
    assert duration.citation in str(caught.value)


INVALID_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"base_url": "http://a.example"}, "WANFLOW_API_KEY"),
    "an empty key": ({"api_key": "", "base_url": "http://a.example"}, "there is no API key"),
    "a key with a line break": ({"api_key": "k\n", "base_url": "http://a.example"}, "line break"),
    "a URL without a scheme": ({"api_key": "k", "base_url": "a.example/v1"}, "a.example/v1"),
    "a URL without a host": ({"api_key": "k", "base_url": "https:///v1"}, "no host"),
    "a URL with a bad port": ({"api_key": "k", "base_url": "http://a.example:x"}, "its port"),
    "a URL with a query": ({"api_key": "k", "base_url": "http://a.example/?x=1"}, "query"),
    "a URL with an empty query": ({"api_key": "k", "base_url": "http://a.example/v1?"}, "query"),
    "a URL with an empty fragment": (
        {"api_key": "k", "base_url": "http://a.example/v1#"},
        "fragment",
    ),
    "a URL with a user and a bad port": (
        {"api_key": "k", "base_url": "http://me:secret@a.example:x"},
        "^base URL of host 'a.example:x' has a user name",
    ),
    "a URL with a backslash": (
        {"api_key": "k", "base_url": "http://a.example\\@b.example"},
        "user name",
    ),
    "a URL with an invalid host": (
        {"api_key": "k", "base_url": "http://a.example\\v1"},
        "its host is no name",
    ),
    "a URL whose host is one number": (
        {"api_key": "k", "base_url": "http://2130706433/v1"},
        "neither a name nor an address",
    ),
    "a URL with port 0": ({"api_key": "k", "base_url": "http://a.example:0"}, "its port"),
    "another scheme": ({"api_key": "k", "base_url": "ftp://a.example"}, "ftp://a.example"),
    "a URL that is not a string": ({"api_key": "k", "base_url": 7}, "not of type int"),
    **{
        f"a URL with {blank!r} inside": (
            {"api_key": "k", "base_url": f"http://a.exa{blank}mple/v1"},
            "a blank, a line end",
        )
        for blank in (" ", "\n", "\r", "\t", "\0", "\u2028")
    },
    "no timeout": ({"api_key": "k", "base_url": "http://a.example", "timeout": 0}, "timeout"),
    "an endless timeout": (
        {"api_key": "k", "base_url": "http://a.example", "timeout": float("inf")},
        "timeout",
    ),
    "a timeout in words": (
        {"api_key": "k", "base_url": "http://a.example", "timeout": "10"},
        "timeout must be a positive number of seconds, and finite .got '10'.",
    ),
    "no polls": (
        {"api_key": "k", "base_url": "http://a.example", "max_polls_per_second": 0},
        "max_polls_per_second",
    ),
    "the path of a ledger": (
        {"api_key": "k", "base_url": "http://a.example", "ledger": "jobs.db"},
        "ledger is a wanflow.Ledger",
    ),
    "no connections": (
        {"api_key": "k", "base_url": "http://a.example", "max_connections": 0},
        "max_connections",
    ),
}


@pytest.mark.parametrize(
    ("options", "message"), INVALID_OPTIONS.values(), ids=INVALID_OPTIONS.keys()
)
def test_a_client_with_invalid_options_is_not_created(
    options: dict[str, Any], message: str, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One ConfigurationError says what is missing or malformed, and never shows the key."""
    monkeypatch.delenv("WANFLOW_API_KEY", raising=False)
    monkeypatch.delenv("WANFLOW_BASE_URL", raising=False)
    with pytest.raises(errors.ConfigurationError, match=message):
        runner.client(**options)


@pytest.mark.parametrize("around", [" {}", "{}\n", "\t{}\r\n", "{}/ "])
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_whitespace_around_the_base_url_is_ignored(
    around: str, way: str, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file or a secret of CI often ends with a line break."""
    requests: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(str(request.url))
        return httpx.Response(200, json={"id": "task-unified-1", "status": "pending"})

    given = around.format("http://a.example/v1")
    monkeypatch.setenv("WANFLOW_BASE_URL", given)
    options = {"base_url": given} if way == "argument" else {}
    client = runner.client(api_key="k", transport=httpx.MockTransport(respond), **options)
    runner.do(client.submit, GOOD)
    (url,) = requests
    assert url.startswith("http://a.example/v1/")


@pytest.mark.parametrize("task_id", ["", " ", "a b", "..", "a/b", "x" * 300, "a\n", None, 7])
def test_an_invalid_task_id_is_rejected(task_id: Any, runner: Any) -> None:
    """An id is part of a URL path, so only some characters are allowed."""
    client = runner.client(api_key="k", base_url="http://a.example")
    with pytest.raises(errors.InvalidRequest, match="task id"):
        client.task(task_id)


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 97, "kéy-of-sixteen-letters", "a" * 20 + "\n", 7]
)
def test_an_invalid_idempotency_key_is_rejected(key: Any, runner: Any) -> None:
    """It is part of a header, so it is validated before anything is sent, with any body."""
    client = runner.client(
        api_key="k", base_url="http://a.example", transport=httpx.MockTransport(silent)
    )
    for validate in (True, False):
        with pytest.raises(errors.InvalidRequest, match="idempotency_key must have 16 to 96"):
            runner.do(client.submit, GOOD, idempotency_key=key, validate=validate)


def test_an_unreachable_server_is_one_clear_error(runner: Any) -> None:
    """The error is a ConnectionError and says that the server can't be reached."""
    client = runner.client(api_key="k", base_url="http://127.0.0.1:9", retry_timeout=0)
    with pytest.raises(errors.ConnectionFailed, match="can't be reached"):
        runner.do(client.submit, GOOD)
    with pytest.raises(ConnectionError):
        runner.do(client.task(ID).refresh)


def test_https_to_a_server_without_tls_is_said(runner: Any, mock: MockServer) -> None:
    """The words of OpenSSL, a wrong version, would make a user search for another cause."""
    url = mock.base_url.replace("http://", "https://")
    client = runner.client(api_key="k", base_url=url, retry_timeout=0)
    for act in (lambda: client.submit(GOOD), client.task(ID).refresh):
        with pytest.raises(errors.ConnectionFailed, match=r"speaks no TLS.*is its URL http://"):
            runner.do(act)


@pytest.mark.parametrize("timeout", [-1, float("inf"), float("nan"), None, "10"])
def test_a_wait_is_always_finite(timeout: Any, runner: Any) -> None:
    """An infinite timeout is rejected."""
    client = runner.client(
        api_key="k", base_url="http://a.example", transport=httpx.MockTransport(silent)
    )
    with pytest.raises(errors.ConfigurationError, match="finite"):
        runner.do(client.task(ID).wait, timeout)
    with pytest.raises(errors.ConfigurationError, match="finite"):
        runner.do(client.wait_all, [ID], timeout=timeout)


def test_every_way_to_pass_a_request_sends_the_same_body() -> None:
    """Keywords, a dict and a request object make the same body; unset defaults aren't sent."""
    import wanflow.models

    with Client(api_key="k", base_url="http://a.example") as client:
        schema = getattr(wanflow.models, MODEL.schema_name)
        whole = client.preview(schema.from_dict(GOOD)).body
        assert client.preview(GOOD).body == GOOD
        assert client.preview(**GOOD).body == GOOD
        assert client.preview(GOOD, duration=None).body == GOOD
        assert client.preview(GOOD, extra={"new": 1}).body == GOOD | {"new": 1}
        assert json.loads(client.preview(GOOD).content) == GOOD
        assert whole == GOOD


def test_an_error_of_a_poll_names_the_task(runner: Any) -> None:
    """Its message has the task id."""
    client = runner.client(
        api_key="a-key",
        base_url="http://api.example",
        transport=httpx.MockTransport(
            lambda _: httpx.Response(404, json={"error": {"param": "task_id"}})
        ),
    )
    with pytest.raises(errors.NotFound, match="404 about task task-unified-1-a"):
        runner.do(client.task("task-unified-1-a").wait)
