"""Output formats of `check` and `diff`: JSON, GitHub annotations and SARIF."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.spec.diff.change_kinds import KINDS, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.spec.diff.change import Change

FORMATS = ("text", "json", "github", "sarif")
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_GITHUB = {Severity.BREAKING: "error", Severity.WARNING: "warning"}
_SARIF = {Severity.BREAKING: "error", Severity.WARNING: "warning"}


@frozen
class Entry:
    """One finding or change: its id, message, and position if known."""

    id: str
    message: str
    file: str = ""
    line: int | None = None
    pointer: str = ""

    @property
    def severity(self) -> Severity:
        """How severe it is."""
        return KINDS[self.id].severity

    def as_data(self) -> dict[str, Any]:
        """Return it for a program."""
        place = {"file": self.file, "line": self.line, "pointer": self.pointer}
        return {"id": self.id, "level": self.severity.label, "message": self.message, **place}


def entry_of(change: Change, file: str) -> Entry:
    """Return the entry of a change."""
    pointer = change.place.removeprefix("#") if change.place.startswith("#") else ""
    return Entry(change.id, change.message, file, pointer=pointer)


def as_json(entries: Iterable[Entry]) -> str:
    """Write entries as one JSON object."""
    whole = {"findings": [entry.as_data() for entry in entries]}
    return json.dumps(whole, ensure_ascii=False, indent=2)


def as_github(entries: Iterable[Entry]) -> str:
    """Return entries as workflow commands, which GitHub shows as annotations."""
    return "\n".join(_command(entry) for entry in entries)


def _command(entry: Entry) -> str:
    properties = {
        "file": entry.file,
        "line": entry.line,
        "title": f"{entry.id} {entry.severity.label}",
    }
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{_GITHUB.get(entry.severity, 'notice')} {given}::{_data(entry.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _data(str(value)).replace(":", "%3A").replace(",", "%2C")


def as_sarif(entries: Iterable[Entry]) -> str:
    """Write entries as a SARIF 2.1.0 log of one run."""
    listed = list(entries)
    numbers = sorted({entry.id for entry in listed})
    driver = {
        "name": "wanflow spec",
        "rules": [
            {
                "id": number,
                "shortDescription": {"text": KINDS[number].title},
                "defaultConfiguration": {"level": _SARIF.get(KINDS[number].severity, "note")},
            }
            for number in numbers
        ],
    }
    results = [_result(entry, numbers.index(entry.id)) for entry in listed]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2)


def _result(entry: Entry, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": entry.id,
        "ruleIndex": rule,
        "level": _SARIF.get(entry.severity, "note"),
        "message": {"text": entry.message},
    }
    location: dict[str, Any] = {}
    if entry.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(entry.file)}}
        if entry.line:
            physical["region"] = {"startLine": entry.line}
        location["physicalLocation"] = physical
    if entry.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": entry.pointer}]
    return {**result, "locations": [location]} if location else result


def _uri(file: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - only SARIF needs it

    return quote(file)


WRITERS = {"json": as_json, "github": as_github, "sarif": as_sarif}
"""The writer of each format except text."""
