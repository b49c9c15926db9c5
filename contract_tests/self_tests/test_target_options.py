"""A server that can't be read is opened all the same, and a check reports what is wrong."""

from __future__ import annotations

import pytest

from self_tests.holdout_faults.proxied_mock import ProxiedMock
from self_tests.holdout_faults.proxy import ProxyVariant
from self_tests.holdout_faults.responses import FAULTS
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.support.target_options import TargetOptions

NOT_GZIP = next(one for one in FAULTS if one.name == "not-gzip")


def test_an_unreadable_response_fails_a_check() -> None:
    """A mock whose responses are labelled gzip, and are not, is opened, and fails a check."""
    with (
        ProxiedMock(ProxyVariant(), NOT_GZIP).opened() as server,
        TargetOptions(server.base_url, api_key="a-key-of-the-suite").target() as target,
    ):
        assert target.has_mock_controls
        with pytest.raises(CheckFailed) as failed:
            target.get_task("task-unified-1-none")
    assert failed.value.check.name == "responds"
