"""What a run is aimed at is opened, whatever is wrong with it, so that a law can say what."""

from __future__ import annotations

import pytest

from self_tests.holdout_faults.answers import FAULTS
from self_tests.holdout_faults.proxy import Guise
from self_tests.holdout_faults.stage import Behind
from wanflow_contract.checks.check import LawBroken
from wanflow_contract.support.target_options import Aim

GZIP_LIE = next(one for one in FAULTS if one.name == "gzip-lie")


def test_an_answer_that_cannot_be_read_breaks_a_law() -> None:
    """A mock whose answers are called gzip, and are not, is opened, and fails by a law."""
    with (
        Behind(Guise(), GZIP_LIE).opened() as server,
        Aim(server.base_url, api_key="a-key-of-somebody").target() as target,
    ):
        assert target.steered
        with pytest.raises(LawBroken) as broken:
            target.ask("task-unified-1-none")
    assert broken.value.law.name == "answers"
