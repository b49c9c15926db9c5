"""A plain HTTP client on the mock, and the document's own word on every answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema_rs
import pytest

from wanflow.catalog.catalog import Catalog, packaged_catalog
from wanflow.catalog.document import resolve_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock import MockServer

Judge = Callable[[str, httpx.Response], Any] if TYPE_CHECKING else object


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return packaged_catalog()


@pytest.fixture
def http(mock: MockServer, api_key: str) -> Iterator[httpx.Client]:
    """A client with a key of its own."""
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(
        base_url=mock.base_url, headers=headers, trust_env=False, verify=False
    ) as client:
        yield client


@pytest.fixture(scope="session")
def judge(catalog: Catalog) -> Judge:
    """Return the body of an answer that is as the document has it for its operation."""
    document = catalog.document
    nodes = {one.operation_id: one.node for one in catalog.operations}

    def judged(operation_id: str, response: httpx.Response) -> Any:
        documented = nodes[operation_id]["responses"]
        assert str(response.status_code) in documented, response.text
        assert response.headers["content-type"] == "application/json"
        answer = resolve_ref(document, documented[str(response.status_code)])
        schema = answer["content"]["application/json"]["schema"]
        root = {"components": document["components"], "allOf": [schema]}
        body = response.json()
        jsonschema_rs.validator_for(root, validate_formats=True).validate(body)
        return body

    return judged


def sample(catalog: Catalog, name: str) -> dict[str, Any]:
    """A valid request of a model."""
    return dict(catalog.models[name].example)
