"""The environment variables of `wanflow contract`."""

from __future__ import annotations

import os

KEYS = ("WANFLOW_CONTRACT_API_KEY", "WANFLOW_API_KEY")
KEY2 = "WANFLOW_CONTRACT_API_KEY2"
URL = "WANFLOW_CONTRACT_BASE_URL"


def api_keys() -> dict[str, str]:
    """Return the API keys of the environment by the names that reports have for them."""
    key = next((os.environ[one] for one in KEYS if os.environ.get(one)), "")
    return {"API_KEY": key, "API_KEY2": os.environ.get(KEY2, "")}
