"""Find out what the suite is aimed at: the bundled mock, another one, or a server that charges."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
from attrs import frozen

from wanflow.mock import MockServer
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.support.api_under_test import Target
from wanflow_contract.support.budget import FREE, Purse
from wanflow_contract.support.http_client import Wire, trusted
from wanflow_contract.support.shared_budget import Till

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEALTH = "/_mock/health"
_RATE = 5.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class AimMissing(Exception):
    """What is needed to test another server isn't there; the message says what."""


@frozen
class Aim:
    """What a run was told: `base_url` None is the bundled mock; `rate` is in requests a second.

    A run of several processes shares the till at `till`, and the rate: each has its part.
    """

    base_url: str | None = None
    api_key: str | None = None
    api_key2: str | None = None
    spend_limit: float | None = None
    rate: float = 0.0
    dry: bool = False
    idempotent: bool = False
    till: Path | None = None
    processes: int = 1

    @contextmanager
    def target(self, **options: Any) -> Iterator[Target]:
        """Open the target; the options are for the bundled mock.

        Raises:
            AimMissing: there is no key for the server, or nobody answers there.
        """
        if self.bundled:
            with MockServer(polls=2, **options) as server:
                yield from _opened(self._bundled(server))
        else:
            yield from _opened(self._elsewhere(str(self.base_url).rstrip("/")))

    @property
    def bundled(self) -> bool:
        """Whether requests go to the bundled mock."""
        return self.base_url is None or self.dry

    def _bundled(self, server: MockServer) -> Target:
        keys = {"one": f"one-{uuid4().hex}", "two": f"two-{uuid4().hex}"}
        wire = Wire(server.base_url, tuple(keys.values()), dry=self.dry)
        free = self.base_url is None and self.spend_limit is None
        limit = FREE if free else self.spend_limit or 0.0
        return Target(
            wire,
            keys,
            Purse(limit, Till(self.till), dry=self.dry),
            steered=not self.dry,
            any_key=True,
            idempotent=not self.dry,
            longest=20.0,
        )

    def _elsewhere(self, base_url: str) -> Target:
        if not self.api_key:
            raise AimMissing(
                "a key is needed: set WANFLOW_CONTRACT_API_KEY (make contract API_KEY=…)"
            )
        given = {"one": self.api_key, "two": self.api_key2}
        keys = {name: key for name, key in given.items() if key}
        controls = controls_of(base_url)
        steered = controls is not None
        any_key = steered and _lets_any_key_in(base_url)
        if any_key:
            keys.setdefault("two", f"two-{uuid4().hex}")
        limit = self.spend_limit if self.spend_limit is not None else (FREE if steered else 0.0)
        near = httpx.URL(base_url).host in _LOOPBACK
        rate = self.rate or (0.0 if steered or near else _RATE)
        rate /= self.processes
        wire = Wire(base_url, tuple(keys.values()), rate, patience=10.0 if near else 30.0)
        return Target(
            wire,
            keys,
            Purse(limit, Till(self.till)),
            steered=steered,
            any_key=any_key,
            idempotent=self.idempotent or bool((controls or {}).get("idempotency")),
            calls_here=steered and _calls_here(base_url, self.api_key),
            pause=0.02,
            longest=20.0 if steered else 120.0 if near else 900.0,
        )


def controls_of(base_url: str) -> dict[str, Any] | None:
    """Return what a mock says of its health; None for a server without the mock's controls.

    Raises:
        AimMissing: nobody answers there.
    """
    try:
        url = httpx.URL(base_url).join(_HEALTH)
        answer = httpx.get(url, trust_env=False, timeout=10, verify=trusted())
        said = answer.json() if answer.status_code == 200 else None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise AimMissing(f"{base_url} is no base URL: {error}") from error
    except httpx.HTTPError as error:
        raise AimMissing(f"{base_url} doesn't answer: {error}") from error
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("status") == "ok" else None


def _lets_any_key_in(base_url: str) -> bool:
    """Ask a mock's own side, so that a fault of the API's side isn't taken for its way."""
    headers = {"Authorization": f"Bearer stranger-{uuid4().hex}"}
    url = httpx.URL(base_url).join("/_mock/account")
    answer = httpx.get(url, headers=headers, trust_env=False, timeout=10, verify=trusted())
    return answer.status_code == 200


def _calls_here(base_url: str, api_key: str) -> bool:
    """Tell whether a mock takes callback URLs of this machine, which is a choice of its own."""
    models = packaged_promises().catalog.models.values()
    model = next((one for one in models if "callback_url" in one.parameters), None)
    if model is None:
        return False
    body = {**model.example, "callback_url": "http://127.0.0.1:9/callback"}
    headers = {"Authorization": f"Bearer {api_key}"}
    url = base_url + model.path
    try:
        answer = httpx.post(
            url, json=body, headers=headers, trust_env=False, timeout=10, verify=trusted()
        )
    except httpx.HTTPError:  # which the laws are to say, and a set-up that fails couldn't
        return False
    return answer.is_success


def _opened(target: Target) -> Iterator[Target]:
    try:
        yield target
    finally:
        target.wire.close()
        target.purse.till.close()
