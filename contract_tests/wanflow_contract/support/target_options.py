"""Open the server under test: the bundled mock, another mock, or a server that charges."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from attrs import frozen

from wanflow.mock import MockServer
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.budget import UNLIMITED, SpendBudget
from wanflow_contract.plan.shared_budget import SharedBudget
from wanflow_contract.support.api_under_test import ApiUnderTest
from wanflow_contract.support.http_client import RateLimitedClient
from wanflow_contract.support.unavailable import (
    TargetUnavailable,
    check_keys,
    source_of,
    tls_context,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NO_KEY = "an API key is needed: set WANFLOW_API_KEY or WANFLOW_CONTRACT_API_KEY"
_HEALTH = "/_mock/health"
_OK, _UNAUTHORIZED, _TIMEOUT, _MOST = 200, 401, 10.0, 1 << 20
_RATE = 5.0
LOCAL_TIMEOUT, MOCK_TIMEOUT = 120.0, 20.0
"""Seconds that a task may take on a server of this machine, and on a mock."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@frozen
class TargetOptions:
    """The options of a run; `base_url` None is the bundled mock, `rate` is in requests per second.

    `request_timeout` is how many seconds a response may take; 0 stands for the usual ones. `inputs`
    are the parameters whose files the user has given.

    The processes of a run share the budget at the path `shared_budget`, and divide the rate.
    """

    base_url: str | None = None
    api_key: str | None = None
    api_key2: str | None = None
    spend_limit: float | None = None
    rate: float = 0.0
    request_timeout: float = 0.0
    dry_run: bool = False
    idempotent: bool = False
    inputs: frozenset[str] = frozenset()
    shared_budget: Path | None = None
    processes: int = 1

    @contextmanager
    def target(self, **options: Any) -> Iterator[ApiUnderTest]:
        """Open the server under test; the options are for the bundled mock.

        Raises:
            TargetUnavailable: there is no API key, or the server doesn't respond.
        """
        if self.bundled:
            with MockServer(polls=2, **options) as server:
                yield from _closing(self._bundled(server))
        else:
            yield from _closing(self._elsewhere(str(self.base_url).rstrip("/")))

    @property
    def bundled(self) -> bool:
        """Whether requests go to the bundled mock."""
        return self.base_url is None or self.dry_run

    def _bundled(self, server: MockServer) -> ApiUnderTest:
        keys = {"one": f"one-{uuid4().hex}", "two": f"two-{uuid4().hex}"}
        client = RateLimitedClient(server.base_url, tuple(keys.values()), dry_run=self.dry_run)
        unlimited = self.base_url is None and self.spend_limit is None
        limit = UNLIMITED if unlimited else self.spend_limit or 0.0
        return ApiUnderTest(
            client,
            keys,
            SpendBudget(limit, SharedBudget(self.shared_budget), dry_run=self.dry_run),
            has_mock_controls=not self.dry_run,
            accepts_any_key=True,
            idempotent=not self.dry_run,
            timeout=MOCK_TIMEOUT,
        )

    def _elsewhere(self, base_url: str) -> ApiUnderTest:
        if not self.api_key:
            raise TargetUnavailable(NO_KEY)
        check_keys(self.api_key, self.api_key2)
        given = {"one": self.api_key, "two": self.api_key2}
        keys = {name: key for name, key in given.items() if key}
        controls = mock_controls(base_url)
        has_mock_controls = controls is not None
        accepts_any_key = has_mock_controls and _accepts_any_key(base_url)
        if accepts_any_key:
            keys.setdefault("two", f"two-{uuid4().hex}")
        limit = (
            self.spend_limit
            if self.spend_limit is not None
            else (UNLIMITED if has_mock_controls else 0.0)
        )
        local = httpx.URL(base_url).host in _LOOPBACK
        rate = self.rate or (0.0 if has_mock_controls or local else _RATE)
        rate /= self.processes
        timeout = self.request_timeout or (10.0 if local else 30.0)
        client = RateLimitedClient(base_url, tuple(keys.values()), rate, timeout=timeout)
        return ApiUnderTest(
            client,
            keys,
            SpendBudget(limit, SharedBudget(self.shared_budget), first_alone=limit != UNLIMITED),
            has_mock_controls=has_mock_controls,
            accepts_any_key=accepts_any_key,
            idempotent=self.idempotent or bool((controls or {}).get("idempotency")),
            inputs=self.inputs,
            calls_loopback=has_mock_controls and _calls_loopback(base_url, self.api_key),
            poll_interval=0.02,
            timeout=MOCK_TIMEOUT if has_mock_controls else LOCAL_TIMEOUT if local else 900.0,
        )


def mock_controls(base_url: str) -> dict[str, Any] | None:
    """Return a mock's health status, None for a server without the mock's controls.

    Raises:
        TargetUnavailable: the server doesn't respond.
    """
    try:
        status, content = _asked(base_url, _HEALTH)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise TargetUnavailable(f"{base_url} is not a valid base URL: {error}") from error
    except httpx.HTTPError as error:
        raise TargetUnavailable(f"{base_url} doesn't respond: {error}") from error
    try:
        said = json.loads(content) if status == _OK else None
    except (ValueError, RecursionError):
        return None
    healthy = isinstance(said, dict) and said.get("status") == "ok"
    return said if healthy and not _answers_anything(base_url) else None


def _answers_anything(base_url: str) -> bool:
    """Return whether a server has the answer of a mock's health for any path, as some gateways do.

    A mock is tested without a spend limit, so that nothing else may be taken for one.
    """
    try:
        return _asked(base_url, f"/_mock/{uuid4().hex}")[0] == _OK
    except httpx.HTTPError:
        return True


def _accepts_any_key(base_url: str) -> bool:
    """Ask a mock's admin API, so that a fault of its public API doesn't decide this."""
    headers = {"Authorization": f"Bearer unknown-{uuid4().hex}"}
    return _asked(base_url, "/_mock/account", headers)[0] == _OK


def check_access(base_url: str, key: str, key2: str = "") -> None:
    """Check that the server accepts the API keys; this costs nothing.

    Raises:
        TargetUnavailable: the response to an unknown task and that to an empty submission are 401.
    """
    contract = packaged_contract()
    task = contract.status_operation.operation.path.partition("{")[0] + "task-unified-0-unknown"
    submission = next(iter(contract.catalog.models.values())).path
    for one, second in ((key, False), (key2, True)):
        if one and all(
            _status_with(base_url.rstrip("/") + path, one, content) == _UNAUTHORIZED
            for path, content in ((task, None), (submission, b"{}"))
        ):
            source = source_of(one, second=second)
            raise TargetUnavailable(f"{base_url} refuses the API key of {source} with 401")


def _status_with(url: str, key: str, content: bytes | None) -> int:
    """Return the status of a response, 0 if there is none."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        return _asked(url, "", headers, content)[0]
    except httpx.HTTPError:
        return 0


def _asked(
    base_url: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> tuple[int, bytes]:
    """Return the status and the beginning of the body, which may be endless.

    With content, it is sent by POST.
    """
    options: dict[str, Any] = {"trust_env": False, "timeout": _TIMEOUT, "verify": tls_context()}
    options |= {"headers": headers, "content": content}
    url, until = httpx.URL(base_url).join(path), time.monotonic() + _TIMEOUT
    method, content = "GET" if content is None else "POST", b""
    with httpx.stream(method, url, **options) as response:
        for piece in response.iter_bytes():
            content += piece
            if len(content) > _MOST or time.monotonic() > until:
                break
        return response.status_code, content


def _calls_loopback(base_url: str, api_key: str) -> bool:
    """Return whether a mock accepts callback URLs of this machine, which is optional."""
    models = packaged_contract().catalog.models.values()
    model = next((one for one in models if "callback_url" in one.parameters), None)
    if model is None:
        return False
    body = {**model.example, "callback_url": "http://127.0.0.1:9/callback"}
    headers = {"Authorization": f"Bearer {api_key}"}
    options: dict[str, Any] = {"trust_env": False, "timeout": _TIMEOUT, "verify": tls_context()}
    try:
        answer = httpx.post(base_url + model.path, json=body, headers=headers, **options)
    except httpx.HTTPError:  # the checks report it; the set-up must not fail
        return False
    return answer.is_success


def _closing(target: ApiUnderTest) -> Iterator[ApiUnderTest]:
    try:
        yield target
    finally:
        target.client.close()
        target.budget.shared_budget.close()
