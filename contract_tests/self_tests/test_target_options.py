"""What a run is aimed at is opened, whatever is wrong with it, so that a law can say what."""

from __future__ import annotations

import pytest

from self_tests.holdout_faults.proxied_mock import ProxiedMock
from self_tests.holdout_faults.proxy import ProxyVariant
from self_tests.holdout_faults.responses import FAULTS
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.support.target_options import TargetOptions

GZIP_LIE = next(one for one in FAULTS if one.name == "gzip-lie")


def test_an_unreadable_response_fails_a_check() -> None:
    """A mock whose answers are called gzip, and are not, is opened, and fails by a law."""
    with (
        ProxiedMock(ProxyVariant(), GZIP_LIE).opened() as server,
        TargetOptions(server.base_url, api_key="a-key-of-somebody").target() as target,
    ):
        assert target.has_mock_controls
        with pytest.raises(CheckFailed) as broken:
            target.get_task("task-unified-1-none")
    assert broken.value.check.name == "responds"
