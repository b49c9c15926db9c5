"""Headers: those that are sent, and those of the responses."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import wanflow
from wanflow import (
    APIError,
    ConfigurationError,
    RateLimited,
    SubmitUncertain,
    TaskFailed,
    WaitTimeout,
    WanflowError,
)
from wanflow._core.header_rules import _RESERVED
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from pathlib import Path

ID = "task-unified-1760000000-abcd1234"
IMAGE_MODELS = [one for one in packaged_catalog().models.values() if one.kind == "image"]
MODEL = next(one.name for one in IMAGE_MODELS if "image_urls" not in one.parameters)
REQUEST = {"model": MODEL, "prompt": "a quiet lake"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
PYTHON = ".".join(map(str, sys.version_info[:3]))
FAILED = {"status": "failed", "error": {"code": "service_error", "message": "m"}}


class Api:
    """An API and a file server that record what they get, and number their responses."""

    def __init__(self, **task: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.task = {"id": ID, "status": "completed", "results": ["https://files.test/a.png"]}
        self.task |= task
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        headers = {"x-request-id": f"r-{len(self.requests)}", "X-Served-By": "one"}
        if request.url.host == "files.test":
            return httpx.Response(200, content=PNG, headers={"content-type": "image/png"})
        if request.method == "POST":
            body = {"id": ID, "status": "pending", "created": 1}
            return httpx.Response(self.status, json=body, headers=headers)
        return httpx.Response(200, json=self.task, headers=headers)

    def client(self, runner: Any, **options: Any) -> Any:
        transport = httpx.MockTransport(self)
        return runner.client(
            api_key="a-secret-key", base_url="https://api.test", transport=transport, **options
        )


def test_a_result_has_the_headers_and_the_id_of_its_response(runner: Any) -> None:
    """Names are in lower case. The task and its snapshot have them, too."""
    client = Api().client(runner)
    task = runner.do(client.submit, REQUEST)
    assert task.request_id == task.snapshot.request_id == "r-1"
    assert task.snapshot.headers["x-served-by"] == "one"
    result = runner.do(task.wait)
    assert result.request_id == "r-2"
    assert result.headers["x-served-by"] == "one"
    assert result.headers["content-type"] == "application/json"
    assert client.task(ID).request_id is None


def fails(api: Api, runner: Any, client: Any) -> Any:
    api.task |= FAILED
    runner.do(client.task(ID).wait)


def times_out(api: Api, runner: Any, client: Any) -> Any:
    api.task |= {"status": "pending"}
    runner.do(client.task(ID).wait, 0.0)


def is_uncertain(api: Api, runner: Any, client: Any) -> Any:
    api.status = 500
    runner.do(client.submit, REQUEST)


def is_unreadable(api: Api, runner: Any, client: Any) -> Any:
    api.task = []  # type: ignore[assignment]
    runner.do(client.task(ID).refresh)


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (fails, TaskFailed),
        (times_out, WaitTimeout),
        (is_uncertain, SubmitUncertain),
        (is_unreadable, APIError),
    ],
    ids=lambda one: one.__name__,
)
def test_an_error_has_the_id_of_its_response(
    act: Any, kind: type[WanflowError], runner: Any
) -> None:
    """It keeps it when it is pickled."""
    api = Api()
    with pytest.raises(kind) as caught:
        act(api, runner, api.client(runner))
    assert pickle.loads(pickle.dumps(caught.value)).request_id == "r-1"


def test_default_headers_go_to_the_api_and_to_no_file_host(runner: Any, tmp_path: Path) -> None:
    """With each request; what the client sets itself stays."""
    api = Api()
    client = api.client(runner, default_headers={"X-Team": "films"}, app="my-shop/1.2")
    runner.do(client.run, REQUEST, output_dir=tmp_path)
    to_api = [one for one in api.requests if one.url.host == "api.test"]
    (to_files,) = [one for one in api.requests if one.url.host == "files.test"]
    assert len(to_api) == 2
    for request in to_api:
        assert request.headers["x-team"] == "films"
        assert request.headers["authorization"] == "Bearer a-secret-key"
        assert request.headers["user-agent"].endswith(") my-shop/1.2")
    assert "x-team" not in to_files.headers
    assert "authorization" not in to_files.headers
    assert "my-shop" not in to_files.headers["user-agent"]


def test_a_preview_has_the_default_headers(runner: Any) -> None:
    """It shows what would be sent, without the key."""
    client = Api().client(runner, default_headers={"X-Team": "films"})
    headers = client.preview(REQUEST).headers
    assert headers["x-team"] == "films"
    assert "authorization" not in headers


def test_with_options_adds_headers_for_its_own_client(runner: Any) -> None:
    """The first client goes on with its own."""
    api = Api()
    client = api.client(runner, default_headers={"X-Team": "films", "X-Other": "1"})
    runner.do(client.with_options(default_headers={"x-team": "games"}).task(ID).refresh)
    runner.do(client.task(ID).refresh)
    assert [one.headers["x-team"] for one in api.requests] == ["games", "films"]
    assert [one.headers["x-other"] for one in api.requests] == ["1", "1"]


@pytest.mark.parametrize("name", sorted(_RESERVED))
def test_a_header_of_the_clients_own_is_an_error(name: str, runner: Any) -> None:
    """In any spelling; above all Authorization."""
    for spelling in (name, name.upper(), name.title()):
        with pytest.raises(ConfigurationError, match="the client sets"):
            Api().client(runner, default_headers={spelling: "x"})


@pytest.mark.parametrize(
    "headers",
    [
        *({"X-A": "a\r\nAuthorization: x"}, {"X-A": "a\nb"}, {"X-A": "a\0"}, {"X-A": "é"}),
        *({"X-A": ""}, {"X-A": " a"}, {"X-A": 1}, {"X-A": None}, {"X-A": "a" * 9000}),
        *({"X A": "a"}, {"X-A:": "a"}, {"": "a"}, {"X\r\nB": "a"}, {1: "a"}, {"É": "a"}),
        *([("X-A", "a")], "X-A: a"),
    ],
    ids=repr,
)
def test_a_header_that_cannot_be_sent_is_an_error(headers: Any, runner: Any) -> None:
    """Before anything is sent. The message doesn't show the value, which may be a secret."""
    with pytest.raises(ConfigurationError, match="default_headers") as caught:
        Api().client(runner, default_headers=headers)
    assert "\r\n" not in str(caught.value)


def test_no_repr_shows_a_default_header(runner: Any) -> None:
    """It may be a secret."""
    client = Api().client(runner, default_headers={"X-Token": "a-second-secret"})
    assert "a-second-secret" not in repr(client) + repr(client._config)


def test_the_user_agent_names_versions(runner: Any) -> None:
    """Of this library, of Python and of the HTTP library."""
    api = Api()
    runner.do(api.client(runner).task(ID).refresh)
    expected = f"wanflow/{wanflow.__version__} (python/{PYTHON}; httpx/{httpx.__version__})"
    assert api.requests[0].headers["user-agent"] == expected


@pytest.mark.parametrize("app", ["my-shop/1.2", "my-shop", "a/1 b/2"])
def test_an_app_is_appended_to_the_user_agent(app: str, runner: Any) -> None:
    """As it is."""
    api = Api()
    runner.do(api.client(runner, app=app).task(ID).refresh)
    assert api.requests[0].headers["user-agent"].endswith(f") {app}")


@pytest.mark.parametrize(
    "app", ["", " ", "a\r\nX: y", "a\n", "my shop (x)", "é/1", "a/1/2", "a" * 201, 1, b"a"]
)
def test_another_app_is_an_error(app: Any, runner: Any) -> None:
    """It names the form."""
    with pytest.raises(ConfigurationError, match="NAME/VERSION"):
        Api().client(runner, app=app)


def test_a_rejected_submission_keeps_its_request_id(runner: Any) -> None:
    """As every APIError does."""

    def reject(request: httpx.Request) -> httpx.Response:
        error = {"error": {"message": "slow", "type": "rate_limit_error", "code": 429}}
        return httpx.Response(429, json=error, headers={"x-request-id": "r-9"})

    transport = httpx.MockTransport(reject)
    client = runner.client(
        api_key="a-key", base_url="https://api.test", transport=transport, retry_timeout=0
    )
    with pytest.raises(RateLimited) as caught:
        runner.do(client.submit, REQUEST)
    assert caught.value.request_id == "r-9"


def test_a_whole_header_in_place_of_a_name_is_not_shown() -> None:
    """It has the key in it."""
    with pytest.raises(ConfigurationError) as caught:
        wanflow.Client(
            "a-key-of-mine", "https://h.example", default_headers={"X-Key: a-key-of-mine": ""}
        )
    assert "a-key-of-mine" not in str(caught.value)


def test_a_preview_shows_no_key_in_further_headers() -> None:
    """Some gateways want it twice."""
    headers = {"x-api-key": "a-key-of-mine", "x-team": "blue"}
    with wanflow.Client("a-key-of-mine", "https://h.example", default_headers=headers) as client:
        shown = client.preview({"model": MODEL, "prompt": "x"})
    assert "a-key-of-mine" not in repr(shown)
    assert shown.headers["x-team"] == "blue"
