"""Refuse a request that breaks the documents' rules before it costs anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow._core.discriminate import stray_parameters
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.spec.catalog import Model
    from wanflow.spec.rules import Rules


def check_request(rules: Rules, model: Model, body: Mapping[str, Any]) -> None:
    """Check a body against every rule of its model.

    Raises:
        InvalidRequest: it lists everything that is wrong, and nothing was sent.
    """
    found = [
        *stray_parameters(rules.catalog, model, body),
        *rules.violations(model, body),
    ]
    if not found:
        return
    lines = [violation.message for violation in found]
    if len(lines) == 1:
        text = f"{model.name}: {lines[0]}"
    else:
        text = f"{model.name}: {len(lines)} rules are broken:\n" + "\n".join(
            f"  - {line}" for line in lines
        )
    raise InvalidRequest(text, violations=tuple(found))
