"""A scenario file: how a mock behaves, written down as JSON for others to play again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow.mock.paces import pace_of
from wanflow.mock.terms import terms_of

if TYPE_CHECKING:
    from wanflow.mock.mock import Mock

_PARTS = ("pace", "faults", "terms")


def play(mock: Mock, path: str | Path) -> None:
    """Have a mock behave as a file says, before its first request.

    The file is a JSON object: `pace` is written as for `pace_of`, `faults` a list of rules as
    POST /_mock/faults takes them, `terms` what each account may do, as PATCH /_mock/account has it.

    Raises:
        ValueError: the file can't be read, or something in it makes no sense.
    """
    try:
        scenario: Any = json.loads(Path(path).read_bytes())
        _play(mock, scenario)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"the scenario {path} can't be played: {error}") from error


def _play(mock: Mock, scenario: dict[str, Any]) -> None:
    unknown = scenario.keys() - set(_PARTS)
    if unknown:
        raise ValueError(f"it has {', '.join(_PARTS)}, but no {', '.join(sorted(unknown))}")
    if "pace" in scenario:
        mock.gateway.pace = pace_of(scenario["pace"])
    for rule in scenario.get("faults", ()):
        mock.faults.load(rule)
    if "terms" in scenario:
        mock.accounts.terms = terms_of(mock.accounts.terms, scenario["terms"])
