"""What emitted tests ask of a server for a request that it must refuse, and that was accepted."""

from __future__ import annotations

import json

import httpx
import pytest

from self_tests.report_data import IMAGE, exchange, finding
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.triage.emitted_assertions import ASSERTIONS
from wanflow_contract.triage.emitted_facts import facts_of
from wanflow_contract.triage.emitted_requests import requests_of

REFUSAL = {"error": {"code": 400, "message": "size is a text", "type": "invalid_request_error"}}
MODEL = next(one for one in packaged_contract().catalog.models.values() if one.kind == "image")


@pytest.mark.parametrize("check", ["error-code", "receipt"])
@pytest.mark.parametrize(("sent", "status", "right"), [(5, 400, True), (5, 200, False)])
def test_a_refusal_with_its_own_status_is_right(check, sent, status, right) -> None:
    """An error with 200 is a fault; the same error with 400 is what a correct server says."""
    body = json.dumps({**cheapest(MODEL), "prompt": sent})
    content = json.dumps(REFUSAL)
    shown = exchange(status=200, path=MODEL.path, sent=body, content=content)
    found = finding(check, IMAGE, exchanges=[shown])
    request = httpx.Request("POST", "http://api.example", content=body)
    response = httpx.Response(status, json=REFUSAL, request=request)
    facts = facts_of(found, list(requests_of(found)))
    if right:
        ASSERTIONS[check]([response], facts)
    else:
        with pytest.raises(AssertionError):
            ASSERTIONS[check]([response], facts)


def test_a_refusal_of_a_valid_request_is_no_receipt() -> None:
    """The test would otherwise pass on a server that refuses everything."""
    body = json.dumps(cheapest(MODEL))
    shown = exchange(status=200, path=MODEL.path, sent=body, content="{}")
    found = finding("receipt", IMAGE, exchanges=[shown])
    request = httpx.Request("POST", "http://api.example", content=body)
    facts = facts_of(found, list(requests_of(found)))
    with pytest.raises(AssertionError):
        ASSERTIONS["receipt"]([httpx.Response(400, json=REFUSAL, request=request)], facts)
