"""How tests call the servers of this machine with httpx."""

from __future__ import annotations

from typing import Any

from tests.waiting import TIME_LIMIT

PLAIN: dict[str, Any] = {"trust_env": False, "verify": False, "timeout": TIME_LIMIT}
"""Without the proxies of the environment, as slowly as a busy machine does, and over http alone.

Each of httpx's clients else loads all certificate authorities, which takes longer than a test.
"""
