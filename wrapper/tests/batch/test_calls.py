"""The work that a job of a batch takes, as calls of Python functions."""

import pytest
from benchmarks.calls import FLOWS, calls_a_job, flow_of

pytestmark = pytest.mark.processes

# What is there now (benchmarks/RESULTS.md) and a tenth. Python 3.12 and later need fewer.
MOST = 1650


def test_a_job_takes_no_more_calls_than_it_did():
    """Of our own functions: those of libraries depend on their versions."""
    found = {code: calls for code, calls in calls_a_job(20).items() if flow_of(code) in FLOWS}
    dearest = sorted(found.items(), key=lambda one: -one[1])[:10]
    assert sum(found.values()) < MOST, [(code.co_qualname, calls) for code, calls in dearest]
    assert sum(found.values()) > MOST / 3, "not everything is counted"
