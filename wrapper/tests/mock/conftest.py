"""An HTTP client for the mock, and validation of its responses by the spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema_rs
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import Catalog, packaged_catalog
from wanflow.catalog.document import resolve_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock import MockServer

Validate = Callable[[str, httpx.Response], Any] if TYPE_CHECKING else object


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return packaged_catalog()


@pytest.fixture
def http(mock: MockServer, api_key: str) -> Iterator[httpx.Client]:
    """An HTTP client with its own key."""
    headers = {"Authorization": f"Bearer {api_key}"}
    with httpx.Client(base_url=mock.base_url, headers=headers, **PLAIN) as client:
        yield client


@pytest.fixture(scope="session")
def validate(catalog: Catalog) -> Validate:
    """Return a function that validates a response by the spec and returns its body."""
    document = catalog.document
    nodes = {one.operation_id: one.node for one in catalog.operations}

    def validated(operation_id: str, response: httpx.Response) -> Any:
        documented = nodes[operation_id]["responses"]
        assert str(response.status_code) in documented, response.text
        assert response.headers["content-type"] == "application/json"
        documented_response = resolve_ref(document, documented[str(response.status_code)])
        schema = documented_response["content"]["application/json"]["schema"]
        root = {"components": document["components"], "allOf": [schema]}
        body = response.json()
        jsonschema_rs.validator_for(root, validate_formats=True).validate(body)
        return body

    return validated


def sample(catalog: Catalog, name: str) -> dict[str, Any]:
    """Return a valid request of a model."""
    return dict(catalog.models[name].example)
