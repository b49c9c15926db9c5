"""Documents whose schemas are all inside of their operations are compared as others are."""

from __future__ import annotations

from typing import Any

import pytest

from wanflow.spec.diff.diff import compare

Json = dict[str, Any]


def bound(most: int) -> Json:
    """A document whose one schema is inside of its operation."""
    body = {"application/json": {"schema": {"type": "string", "maxLength": most}}}
    operation = {"requestBody": {"content": body}, "responses": {}}
    return {"openapi": "3.1.0", "paths": {"/v1/x": {"post": operation}}}


@pytest.mark.parametrize("components", [None, {}, {"securitySchemes": {}}])
def test_a_document_without_named_schemas_is_compared(components: Json | None) -> None:
    """It doesn't differ from itself, and a change of its schemas is found."""
    more = {} if components is None else {"components": components}
    assert compare({**bound(9), **more}, {**bound(9), **more}).changes == ()
    found = compare({**bound(9), **more}, {**bound(8), **more}).changes
    assert {"WF114"} <= {change.id for change in found} <= {"WF114", "WF406"}
