"""Prism as a validating proxy in front of the mock: it checks every response."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.sockets import reserved_port
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = packaged_catalog()
PRISM = os.environ.get("WANFLOW_PRISM") or shutil.which("prism")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PRISM is None,
        reason="needs Prism (npm install -g @stoplight/prism-cli@5.14.2, or WANFLOW_PRISM=path)",
    ),
]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory) -> Iterator[httpx.Client]:
    """A client whose every request and response is validated by Prism on its way."""
    spec = tmp_path_factory.mktemp("prism") / "openapi.json"
    spec.write_text(json.dumps(CATALOG.document))
    with reserved_port() as port, MockServer(polls=2, api_key="prism-key") as server:
        assert PRISM is not None
        command = [PRISM, "proxy", str(spec), server.base_url, "--port", str(port), "--errors"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        try:
            said = ""
            for line in process.stdout:
                said += line
                if "Prism is listening" in line:
                    break
            assert "Prism is listening" in said, said
            headers = {"Authorization": "Bearer prism-key"}
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, headers=headers, verify=False, timeout=30) as http:
                yield http
        finally:
            process.terminate()
            process.communicate(timeout=60)


def validated(response: httpx.Response) -> httpx.Response:
    """Return an response that Prism had nothing to say against."""
    assert "sl-violations" not in response.headers, response.headers["sl-violations"]
    assert "prism" not in response.headers.get("content-type", ""), response.text
    assert not re.search(r"stoplight\.io/prism", response.text), response.text
    return response


@pytest.mark.parametrize("name", sorted(CATALOG.models))
@pytest.mark.parametrize("failure", ["", " [mock:fail=service_error]"])
def test_all_responses_about_a_task_are_valid(proxied, name, failure) -> None:
    """From submission to success or failure, Prism finds no violation."""
    model = CATALOG.models[name]
    body = {**model.example, "prompt": f"a cat{failure}"}
    task = validated(proxied.post(model.path, json=body)).json()["id"]
    seen = [validated(proxied.get(f"/v1/tasks/{task}")).json()["status"] for _ in range(3)]
    assert seen[1:] == ["failed" if failure else "completed"] * 2


@pytest.mark.parametrize("name", sorted(CATALOG.models))
def test_every_documented_error_is_valid(proxied, name) -> None:
    """Each documented error is valid for Prism, too."""
    model = CATALOG.models[name]
    operation = next(one for one in CATALOG.operations if one.operation_id == model.operation_id)
    errors = [int(status) for status in operation.node["responses"] if int(status) >= 400]
    assert errors
    for status in errors:
        headers = {"Prefer": f"code={status}"}
        response = validated(proxied.post(model.path, json=dict(model.example), headers=headers))
        assert response.status_code == status


def test_prism_detects_a_violation(proxied) -> None:
    """An invalid response is reported, so the tests above can fail."""
    model = next(iter(CATALOG.models.values()))
    headers = {"X-Mock-Fault": "unknown-status"}
    response = proxied.post(model.path, json=dict(model.example), headers=headers)
    with pytest.raises(AssertionError):
        validated(response)
