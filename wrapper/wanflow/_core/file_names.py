"""The names of saved files: made of the task's id, or by a template of the user's.

No name leads out of its directory, and each is valid on every system.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from string import Formatter
from typing import TYPE_CHECKING, TypeAlias
from unicodedata import category, normalize

from attrs import frozen

from wanflow._core.file_formats import EXTENSIONS
from wanflow._paths import WINDOWS_DEVICES
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

# Ids that are names of files as they are, on every system.
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,118}[a-z0-9_])?", re.ASCII)
_NUMBERED = re.compile(r".*-[1-9][0-9]{0,2}", re.ASCII)
_MAX_NUMBER = 999
# What batches write beside the files.
_BATCH_FILES = frozenset({"index", "report"})
_UNSAFE = re.compile(r"[^a-z0-9]+", re.ASCII)
_MAX_SHOWN = 80
_DIGITS = 24

FIELDS = ("task_id", "index", "model", "date")
"""What a template may name."""
BATCH_FIELDS = ("key", *FIELDS)
_INDEX = "index"
_WIDTH = re.compile(r"0[1-9]", re.ASCII)
# Letters, marks and decimal digits of any script are allowed, too. A tilde comes before digests.
_PUNCTUATION = frozenset(" -_.,+=@&#'()[]")
_ENDS = " ."
_UNKNOWN = "unknown"
_NO_EXTENSION = "each file gets the extension of its format"
# Bytes, before the digest that distinguishes two files; file systems allow 255 in all.
_MAX_BYTES = 120
_MAX_TEXT = 80
"""Bytes of a template's own text. Longer values are shortened, and longer texts are refused."""

_Part: TypeAlias = "str | _Field"


@frozen
class _Field:
    """A field of a template, and the width to which an index is filled up with zeros."""

    name: str
    width: str = ""

    def __str__(self) -> str:
        return f"{{{self.name}:{self.width}}}" if self.width else f"{{{self.name}}}"

    def format(self, value: str) -> str:
        """Return the value as a part of a name."""
        return value.zfill(int(self.width or 0))


@frozen
class NameTemplate:
    """A template: texts and fields in turn. Its text can be parsed again."""

    parts: tuple[_Part, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(part.name for part in self.parts if isinstance(part, _Field))

    def bind(self, **values: str | None) -> NameTemplate:
        """Return the template with some values in it; those that are None stay fields."""
        return NameTemplate(
            tuple(
                part
                if isinstance(part, str) or (value := values.get(part.name)) is None
                else _clean(value)
                for part in self.parts
            )
        )

    def stems(self, values: Mapping[str, str], index: int, count: int) -> tuple[str, str]:
        """Return the name of a file, and the one that it gets where another file has the first.

        `index` is from 0. Several files of a task are numbered, with or without a field for that.
        """
        known = {**values, _INDEX: str(index + 1)}
        text = "".join(
            part if isinstance(part, str) else part.format(known.get(part.name, _UNKNOWN))
            for part in self.parts
        )
        number = "" if count <= 1 or _INDEX in self.fields else f"-{index + 1}"
        task = sha256(f"{index} {values['task_id']}".encode())
        stem = _valid_stem(text + number)
        return stem, f"{stem}~{task.hexdigest()[:_DIGITS]}"


def file_stem(task_id: str, index: int, count: int) -> str:
    """Name a file after its task and its place among the results (from 1), without what it is.

    No two files have the same name, whatever the ids are, and whether or not the file system
    distinguishes upper and lower case: an id that isn't a plain name by itself, or that could be
    read as another id with a number after it, is followed by its digest.
    """
    suffix = "" if count <= 1 else f"-{index + 1}"
    plain = _is_plain(task_id) and (
        index < _MAX_NUMBER if suffix else not _NUMBERED.fullmatch(task_id)
    )
    return (task_id if plain else _with_digest(task_id)) + suffix


def task_values(task_id: str, model: str | None, created: float | None) -> dict[str, str]:
    """Return the values of a task's fields; those that aren't known are missing."""
    known = {"model": None if model is None else _clean(model), "date": _date(created)}
    plain = task_id if _is_plain(task_id) else _with_digest(task_id)
    return {"task_id": plain, **{name: text for name, text in known.items() if text is not None}}


def parse_template(text: object, fields: tuple[str, ...] = FIELDS) -> NameTemplate:
    """Parse a template of the user's.

    Raises:
        InvalidRequest: it isn't one, or names another field than these.
    """
    if not isinstance(text, str):
        raise InvalidRequest(f"name must be a text such as '{{model}}-{{index}}' (got {text!a})")
    try:
        template = _parse(text)
    except ValueError as error:
        raise _invalid(text, str(error)) from None
    problem = _unknown_field(template, fields) or _problem(template, text)
    if problem is not None:
        raise _invalid(text, problem)
    return template


def _unknown_field(template: NameTemplate, fields: tuple[str, ...]) -> str | None:
    unknown = min(template.fields - set(fields), default=None)
    if unknown is None:
        return None
    allowed = ", ".join(f"{{{name}}}" for name in fields)
    hint = _NO_EXTENSION if unknown == "ext" else f"the fields are {allowed}"
    return f"{{{unknown}}} is no field here; {hint}"


def _problem(template: NameTemplate, text: str) -> str | None:
    """Return what is wrong with a template of known fields."""
    size = len("".join(part for part in template.parts if isinstance(part, str)).encode())
    if size > _MAX_TEXT:
        return f"its text has {size} bytes, and at most {_MAX_TEXT} are allowed beside the fields"
    ending = next((one for one in EXTENSIONS if text.lower().endswith(one)), None)
    if ending is not None:
        return f"leave out {ending}; {_NO_EXTENSION}"
    first = template.parts[0]
    if isinstance(first, str) and (len(template.parts) == 1 or "." in first):
        reserved = _reserved(first)
        return reserved and f"{reserved} is a reserved name; choose another"
    return None


def _reserved(stem: str) -> str | None:
    """Return the part of a name that Windows or a batch reserves."""
    folded = stem.casefold()
    device = folded.partition(".")[0].strip()
    if device in WINDOWS_DEVICES:
        return device
    return folded if folded in _BATCH_FILES else None


def recorded_template(text: str | None) -> NameTemplate | None:
    """Return the template of a text that was recorded; None if it is none."""
    try:
        return None if text is None else _parse(text)
    except ValueError:
        return None


def _parse(text: str) -> NameTemplate:
    """Parse a template.

    Raises:
        ValueError: it isn't one.
    """
    parts: list[_Part] = []
    try:
        pieces = list(Formatter().parse(normalize("NFC", text)))
    except ValueError:
        raise ValueError("its braces must enclose fields, such as {task_id}") from None
    for literal, name, width, conversion in pieces:
        parts += [_checked(literal, first=not parts)] if literal else []
        if name is not None:
            parts.append(_field(name, width or "", conversion))
    if not parts:
        raise ValueError("it is empty")
    return NameTemplate(tuple(parts))


def _field(name: str, width: str, conversion: str | None) -> _Field:
    if not name.isidentifier() or conversion is not None:
        raise ValueError("a field is a plain name in braces, such as {task_id}")
    if width and not (name == _INDEX and _WIDTH.fullmatch(width)):
        raise ValueError("only {index} has a format, such as {index:03}")
    return _Field(name, width)


def _checked(literal: str, *, first: bool) -> str:
    wrong = next((letter for letter in literal if not _is_allowed(letter)), None)
    if wrong is not None:
        raise ValueError(
            f"{wrong!a} can't be in it; letters, digits, spaces and -_.,+=@&#'()[] can"
        )
    if first and literal[0] in f"{_ENDS}-":
        raise ValueError(f"it can't begin with {literal[0]!r}")
    return literal


def _invalid(text: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"the name {text!a} can't be used: {reason}")


def _is_allowed(letter: str) -> bool:
    return letter in _PUNCTUATION or category(letter)[0] in "LM" or category(letter) == "Nd"


@lru_cache(maxsize=64)
def _clean(value: str) -> str:
    """Return a value as a part of a name."""
    text = normalize("NFC", value)
    allowed = "".join(letter if _is_allowed(letter) else "_" for letter in text)
    return allowed.strip(_ENDS).lstrip(f"{_ENDS}-") or "_"


def _valid_stem(text: str) -> str:
    """Return a text that is neither too long nor reserved."""
    stem = normalize("NFC", text).strip(_ENDS)
    if len(stem.encode()) > _MAX_BYTES:
        digest = sha256(stem.encode()).hexdigest()[:_DIGITS]
        start = stem.encode()[: _MAX_BYTES - _DIGITS - 1].decode(errors="ignore")
        stem = f"{start.rstrip(_ENDS)}~{digest}"
    return f"_{stem}" if _reserved(stem) else stem


def _date(created: float | None) -> str | None:
    """Return the day of a Unix time, in UTC; None if it is out of range."""
    try:
        return None if created is None else f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return None


def _is_plain(task_id: str) -> bool:
    if not _PLAIN.fullmatch(task_id):
        return False
    return task_id.partition(".")[0] not in WINDOWS_DEVICES and task_id not in _BATCH_FILES


def _with_digest(task_id: str) -> str:
    shown = _UNSAFE.sub("_", task_id[:_MAX_SHOWN].lower()).strip("_") or "task"
    digest = sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()
    # No plain id has a tilde in it.
    return f"{shown}~{digest[:_DIGITS]}"
