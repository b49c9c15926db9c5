"""A scenario file: how a mock behaves, written down as JSON for others to play again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

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
        _play(mock, _object("it", json.loads(Path(path).read_bytes())))
    except (OSError, ValueError) as error:
        raise ValueError(f"the scenario {path} can't be played: {error}") from error


def _play(mock: Mock, scenario: dict[str, Any]) -> None:
    unknown = scenario.keys() - set(_PARTS)
    if unknown:
        raise ValueError(f"it has {', '.join(_PARTS)}, but no {', '.join(sorted(unknown))}")
    if "pace" in scenario:
        pace = scenario["pace"]
        if not isinstance(pace, str):
            raise ValueError(f"pace must be a text, not {pace!r}")
        mock.gateway.pace = pace_of(pace)
    faults = scenario.get("faults", [])
    if not isinstance(faults, list):
        raise ValueError("faults must be a list of objects")  # noqa: TRY004 - of a file
    for rule in cast("list[object]", faults):
        mock.faults.load(_object("each of faults", rule))
    if "terms" in scenario:
        terms = _object("terms", scenario["terms"])
        mock.accounts.terms = terms_of(mock.accounts.terms, terms)


def _object(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a JSON object")  # noqa: TRY004 - of a file
    return cast("dict[str, Any]", value)
