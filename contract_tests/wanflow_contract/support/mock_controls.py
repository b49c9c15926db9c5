"""The controls of a mock: its clock, and what it says of an account."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.support.http_client import RateLimitedClient


@frozen
class MockControls:
    """The controls of the mock that a client talks to; `available` says whether it has any."""

    client: RateLimitedClient
    available: bool

    def advance_time(self, seconds: float) -> None:
        """Advance a mock's clock, or sleep if the server has no controls."""
        if not self.available:
            time.sleep(seconds)
            return
        headers = {"Content-Type": "application/json"}
        content = json.dumps({"seconds": seconds}).encode()
        self.client.send("POST", self.url("clock/advance"), headers, content)

    def now(self) -> float:
        """Return a mock's time, which may be ahead; else this machine's."""
        response = self.client.send("GET", self.url("clock"))
        return float(response.json()["now"]) if response.status == 200 else time.time()

    def account_status(self, authorization: Mapping[str, str]) -> dict[str, Any]:
        """Return a mock's status of an account."""
        shown = self.client.send("GET", self.url("account"), authorization)
        found = shown.json() if shown.status == 200 else {}
        return dict(found)

    def url(self, name: str) -> str:
        """Return the URL of one of a mock's controls."""
        base = self.client.base_url
        return f"{base[: base.index('/', 8)]}/_mock/{name}"
