"""The lines of stdin: each request is answered, whatever text it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mcp.raw import raw_agent

if TYPE_CHECKING:
    from tests.mcp.conftest import Setup

pytestmark = pytest.mark.processes


def test_half_a_surrogate_pair_is_replaced_in_every_text(setup: Setup) -> None:
    """JavaScript writes one where it cuts a text, and the SDK answers nothing to it."""
    with raw_agent(setup) as agent:
        for half in ("\ud83d", "\ude00", "x\ud83d\ud83d\ude00"):
            result = agent.result("status", task_id=half)
            assert result["structuredContent"]["error"] == "InvalidRequest"
            assert "\ufffd" in result["structuredContent"]["message"]
