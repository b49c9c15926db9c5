"""The file of a baseline: TOML, or JSON if its name ends so; comments survive an update."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wanflow._regular_file import replace, temporary
from wanflow_contract.findings.baseline import BaselineUnusable, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wanflow_contract.findings.baseline import Key

VERSION = 1
_ROOT = {".toml": "deviation", ".json": "deviations"}
_HEADER = re.compile(r"\s*\[\[\s*deviation\s*\]\]\s*(?:#.*)?")
_UNTIL = re.compile(r"(?m)^(\s*until\s*=\s*)(?:\"[^\"]*\"|'[^']*'|[^\s#]+)")
_BY = re.compile(r"(?m)^(\s*by\s*=\s*)(?:\"(?:[^\"\\]|\\.)*\"|'[^']*')")
_TEXTS = ("check", "operation", "pointer", "shape", "by", "why")
_NOT_EMPTY = ("check", "by", "why")
_FIRST_LINES = f"""\
# Deviations of a server from its documents that are known, and don't fail a run.
# Each is accepted by someone, for a reason, until a day; after that day it fails again.
# Texts and comments may be edited; check, operation, pointer and shape identify the deviation.
version = {VERSION}
"""


def read_baseline(path: Path) -> dict[Key, Entry]:
    """Read the entries of a file.

    Raises:
        BaselineUnusable: it can't be read, or an entry is invalid.
    """
    try:
        return _entries(path, path.read_text("utf-8"))
    except OSError as error:
        raise BaselineUnusable(f"the baseline {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BaselineUnusable(f"the baseline {path} isn't UTF-8 text") from error


def write_baseline(path: Path, entries: Sequence[Entry]) -> None:
    """Write the entries to a file; comments and the texts of entries that stay are kept.

    Raises:
        BaselineUnusable: the file can't be written.
    """
    try:
        old = path.read_text("utf-8") if path.exists() else ""
        text = _as_json(entries) if _is_json(path) else _as_toml(path, old, entries)
        if list(_entries(path, text).values()) != list(entries):
            raise BaselineUnusable(
                f"the baseline {path} can't be updated without changing other entries; "
                "write each entry as a table [[deviation]]"
            )
        _replace(path, text)
    except OSError as error:
        raise BaselineUnusable(f"the baseline {path} can't be written: {error.strerror}") from error


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _entries(path: Path, text: str) -> dict[Key, Entry]:
    try:
        data = json.loads(text) if _is_json(path) else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if _is_json(path) else "TOML"
        raise BaselineUnusable(f"the baseline {path} isn't {kind}: {error}") from error
    if not isinstance(data, dict):
        raise BaselineUnusable(f"the baseline {path} must be an object with `version` {VERSION}")
    if data.get("version") != VERSION:
        given = f"has `version` {data['version']!r}" if "version" in data else "has no `version`"
        raise BaselineUnusable(f"the baseline {path} {given}; it must be {VERSION}")
    listed = data.get(_ROOT[".json" if _is_json(path) else ".toml"], [])
    if not isinstance(listed, list):
        raise BaselineUnusable(f"the deviations of the baseline {path} must be a list")
    found = [_entry(path, number, one) for number, one in enumerate(listed, 1)]
    entries = {one.key: one for one in found}
    if len(entries) < len(found):
        twice = next(one for one in found if entries[one.key] is not one)
        numbers = [str(number) for number, one in enumerate(found, 1) if one.key == twice.key]
        raise BaselineUnusable(
            f"the baseline {path} has {twice.finding_id} twice: as deviations "
            f"{' and '.join(numbers)}; keep one of them"
        )
    return entries


def _entry(path: Path, number: int, data: Any) -> Entry:
    where = f"deviation {number} of the baseline {path}"
    if not isinstance(data, dict):
        raise BaselineUnusable(f"{where} must be a table")
    unknown = data.keys() - {*_TEXTS, "until", "id", "tests"}
    if unknown:
        raise BaselineUnusable(f"{where} has the unknown field {min(unknown)!r}")
    for name in _TEXTS:
        value = data.get(name)
        if not isinstance(value, str) or (name in _NOT_EMPTY and not value.strip()):
            raise BaselineUnusable(f"{where} must have a text `{name}`, not {value!r}")
    tests = data.get("tests", [])
    if not isinstance(tests, list) or not all(isinstance(one, str) for one in tests):
        raise BaselineUnusable(f"`tests` of {where} must be a list of texts")
    texts = {name: data[name] for name in _TEXTS}
    until = _date(where, data.get("until"))
    return Entry(**texts, until=until, id=str(data.get("id", "")), tests=tuple(tests))


def _date(where: str, value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BaselineUnusable(
            f"`until` of {where} must be a day such as 2027-01-31, not {value!r}"
        ) from None


def _as_json(entries: Sequence[Entry]) -> str:
    data = {"version": VERSION, "deviations": [_fields(one) for one in entries]}
    return json.dumps(data, indent=2, ensure_ascii=False, default=date.isoformat) + "\n"


def _fields(entry: Entry) -> dict[str, Any]:
    texts = {name: getattr(entry, name) for name in _TEXTS}
    return {"id": entry.id, **texts, "until": entry.until, "tests": list(entry.tests)}


def _as_toml(path: Path, old: str, entries: Sequence[Entry]) -> str:
    """Return the old text without the tables of entries that are gone, and with new tables."""
    before = list(_entries(path, old).values()) if old.strip() else []
    first, tables = _tables(old)
    if len(tables) != len(before):
        raise BaselineUnusable(
            f"the baseline {path} can't be updated: write each entry as a table [[deviation]]"
        )
    texts = {one.key: (one, text) for one, text in zip(before, tables, strict=True)}
    parts = [_kept(one, *texts[one.key]) if one.key in texts else _table(one) for one in entries]
    blocks = [(first or _FIRST_LINES).strip("\n"), *(part.strip("\n") for part in parts)]
    return "\n\n".join(blocks) + "\n"


def _tables(text: str) -> tuple[str, list[str]]:
    """Return what is before the first table, and each table with the comments above it."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _HEADER.fullmatch(line)]
    begins = []
    for start in starts:
        begin = start
        while begin and lines[begin - 1].lstrip().startswith("#"):
            begin -= 1
        begins.append(begin)
    parts = ["\n".join(lines[one:end]) for one, end in pairwise([0, *begins, len(lines)])]
    return parts[0], parts[1:]


def _kept(entry: Entry, was: Entry, text: str) -> str:
    """Return the text of an entry, with a new day if it was accepted again."""
    if entry == was:
        return text
    text = _UNTIL.sub(lambda found: f"{found[1]}{entry.until.isoformat()}", text, count=1)
    return _BY.sub(lambda found: found[1] + _quoted(entry.by), text, count=1)


def _table(entry: Entry) -> str:
    def shown(value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join(_quoted(one) for one in value)}]"
        return value.isoformat() if isinstance(value, date) else _quoted(value)

    rows = [f"{name} = {shown(value)}" for name, value in _fields(entry).items()]
    return "\n".join(["[[deviation]]", *rows])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _replace(path: Path, text: str) -> None:
    """Replace a file as a whole, so that it is never half written."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    with temporary(target, text.encode()) as part:
        part.chmod(mode)
        replace(part, target)
