"""Filter requests that violate only rules outside JSON Schema.

Schemathesis considers a request valid that violates only an `x-wanflow-…` rule; such requests
are left out here, and tested elsewhere.
"""

from __future__ import annotations

from typing import Any

import schemathesis

from wanflow.catalog.keywords import KEYWORDS
from wanflow.catalog.validator import packaged_validator

RULES = packaged_validator()


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out a body that violates only rules that Schemathesis doesn't know."""
    name = body.get("model") if isinstance(body, dict) else None
    model = RULES.catalog.models.get(name) if isinstance(name, str) else None
    if model is None:
        return True
    broken = RULES.violations(model, body)
    return not broken or any(one.rule not in KEYWORDS for one in broken)
