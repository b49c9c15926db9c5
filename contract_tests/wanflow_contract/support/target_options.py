"""Open the server under test: the bundled mock, another mock, or a server that charges."""

from __future__ import annotations

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
from wanflow_contract.support.http_client import RateLimitedClient, tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_KEY = (
    "an API key is needed: set WANFLOW_API_KEY, or WANFLOW_CONTRACT_API_KEY (make contract "
    "API_KEY=…)"
)
_HEALTH = "/_mock/health"
_RATE = 5.0
LOCAL_TIMEOUT, MOCK_TIMEOUT = 120.0, 20.0
"""Seconds that a task may take on a server of this machine, and on a mock."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class TargetUnavailable(Exception):
    """The server can't be tested; the message says what is missing."""


@frozen
class TargetOptions:
    """The options of a run; `base_url` None is the bundled mock, `rate` is in requests per second.

    The processes of a run share the budget at the path `shared_budget`, and divide the rate.
    """

    base_url: str | None = None
    api_key: str | None = None
    api_key2: str | None = None
    spend_limit: float | None = None
    rate: float = 0.0
    dry_run: bool = False
    idempotent: bool = False
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
        client = RateLimitedClient(
            base_url, tuple(keys.values()), rate, timeout=10.0 if local else 30.0
        )
        return ApiUnderTest(
            client,
            keys,
            SpendBudget(limit, SharedBudget(self.shared_budget)),
            has_mock_controls=has_mock_controls,
            accepts_any_key=accepts_any_key,
            idempotent=self.idempotent or bool((controls or {}).get("idempotency")),
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
        url = httpx.URL(base_url).join(_HEALTH)
        answer = httpx.get(url, trust_env=False, timeout=10, verify=tls_context())
        said = answer.json() if answer.status_code == 200 else None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise TargetUnavailable(f"{base_url} is not a valid base URL: {error}") from error
    except httpx.HTTPError as error:
        raise TargetUnavailable(f"{base_url} doesn't respond: {error}") from error
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("status") == "ok" else None


def _accepts_any_key(base_url: str) -> bool:
    """Ask a mock's admin API, so that a fault of its public API doesn't decide this."""
    headers = {"Authorization": f"Bearer unknown-{uuid4().hex}"}
    url = httpx.URL(base_url).join("/_mock/account")
    answer = httpx.get(url, headers=headers, trust_env=False, timeout=10, verify=tls_context())
    return answer.status_code == 200


def _calls_loopback(base_url: str, api_key: str) -> bool:
    """Return whether a mock accepts callback URLs of this machine, which is optional."""
    models = packaged_contract().catalog.models.values()
    model = next((one for one in models if "callback_url" in one.parameters), None)
    if model is None:
        return False
    body = {**model.example, "callback_url": "http://127.0.0.1:9/callback"}
    headers = {"Authorization": f"Bearer {api_key}"}
    url = base_url + model.path
    try:
        answer = httpx.post(
            url, json=body, headers=headers, trust_env=False, timeout=10, verify=tls_context()
        )
    except httpx.HTTPError:  # the checks report it; the set-up must not fail
        return False
    return answer.is_success


def _closing(target: ApiUnderTest) -> Iterator[ApiUnderTest]:
    try:
        yield target
    finally:
        target.client.close()
        target.budget.shared_budget.close()
