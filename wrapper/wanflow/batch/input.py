"""Batches as files: JSON lines, or CSV with a head, and templates that make texts of columns."""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn, cast

from attrs import field, frozen

from wanflow.batch.csv_table import rows_of
from wanflow.batch.models import JobSpec, RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wanflow.catalog.catalog import Catalog

KEY = "key"
"""The column, or member of a line, that holds the user's own key for the job."""
_PLACE = re.compile(r"\{([^{}]+)\}")
_LONGEST_KEY = 200
_BLANKS = " \t\r\n"
"""What JSON takes for white space."""


@frozen
class RowParser:
    """How lines become requests.

    `model` is for lines that name none; `templates` are parameters made of a line's columns,
    written as `{column}`. A column that a template uses is a parameter only if the model has one
    of that name.
    """

    catalog: Catalog
    model: str | None = None
    templates: Mapping[str, str] = field(factory=dict[str, str])

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the templates use."""
        found = (_PLACE.findall(template) for template in self.templates.values())
        return frozenset(name for names in found for name in names)


def decoded(content: bytes) -> str:
    """Decode a file of jobs: UTF-8, or UTF-16 with its mark, as Excel writes "Unicode text".

    Raises:
        ValueError: it is neither.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        name = "UTF-16" if wide else "UTF-8"
        raise ValueError(f"is not {name} text: {error.reason}; save it as UTF-8") from None


def read_jsonl(text: str | Iterable[str], form: RowParser) -> Iterator[JobSpec | RowError]:
    """Read JSON objects, one a line, of a text or of its lines; empty lines are passed over."""
    if isinstance(text, str) and _is_list(text):
        yield RowError(1, "the file is one JSON array; wanted is one object a line (jq -c '.[]')")
        return
    for number, line in enumerate(text.split("\n") if isinstance(text, str) else text, 1):
        if not line.strip(_BLANKS):
            continue
        try:
            found = _read_json(line)
        except (ValueError, RecursionError) as error:
            yield RowError(number, f"it is not JSON: {error}")
            continue
        if isinstance(found, dict):
            yield make_job(number, cast("dict[str, Any]", found), form)
        else:
            yield RowError(number, "it is no JSON object")


def _is_list(text: str) -> bool:
    """Tell whether a file is a list of objects instead of lines."""
    if not text.lstrip(_BLANKS).startswith("["):
        return False
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return all(isinstance(one, dict) for one in found)


def _read_json(text: str) -> Any:
    """Read JSON as its standard has it.

    Raises:
        ValueError: it isn't, or nobody knows which of two members of a name is meant.
        RecursionError: it nests too deeply.
    """
    return json.loads(
        text, object_pairs_hook=_once_each, parse_constant=_no_number, parse_float=_finite
    )


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; of two of a name, nobody knows which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name in found if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _no_number(word)


def read_csv(text: str | Iterable[str], form: RowParser) -> Iterator[JobSpec | RowError]:
    """Read rows under a head; a cell is read as its parameter's type, an empty one isn't set."""
    models = form.catalog.models.values()
    known = {name for model in models for name in model.parameters}
    for row in rows_of("".join(text), {*known, *form.columns, KEY, "model"}):
        yield row if isinstance(row, RowError) else _line_of_row(*row, form)


def make_job(number: int, found: Mapping[str, Any], form: RowParser) -> JobSpec:
    """Make a line of members that have the types of the parameters."""
    body = {name: value for name, value in found.items() if name != KEY and value is not None}
    if form.model is not None:
        body.setdefault("model", form.model)
    known = _parameters(form, body)
    made = {name: _filled(template, found) for name, template in form.templates.items()}
    kept = {name: value for name, value in body.items() if not _is_column(name, form, known)}
    key = found.get(KEY)
    faults = tuple(_faults(found, form))
    return JobSpec(number, {**kept, **made}, key if isinstance(key, str) else None, faults)


def _faults(found: Mapping[str, Any], form: RowParser) -> Iterator[str]:
    """Find what is wrong with a line beside its request."""
    for column in sorted(form.columns):
        if found.get(column) is None:
            yield f"a template needs {column}, which the line doesn't have"
    key = found.get(KEY)
    if key is not None and not _is_key(key):
        yield f"key must be a text of 1 to {_LONGEST_KEY} printable characters"


def _line_of_row(number: int, cells: Mapping[str, str], form: RowParser) -> JobSpec:
    known = _parameters(form, {"model": cells.get("model", form.model)})
    typed = {name: _typed(cell, known.get(name)) for name, cell in cells.items()}
    return make_job(number, typed, form)


def _typed(cell: str, schema: Mapping[str, Any] | None) -> Any:
    """Read a cell as its parameter's type; one that can't be stays a text, and fails the check."""
    types = _types(schema or {})
    word = cell.strip()
    if not types or "string" in types:
        return cell
    if "boolean" in types and word.lower() in {"true", "false"}:
        return word.lower() == "true"
    try:
        value = _read_json(word)
    except (ValueError, RecursionError):
        value = cell
    return [cell] if "array" in types and not word.startswith("[") else value


def _types(schema: Mapping[str, Any]) -> set[str]:
    """Return the types that a schema names, in whichever of its branches."""
    named = schema.get("type", [])
    found = {named} if isinstance(named, str) else set(named)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(keyword, []):
            found |= _types(branch)
    return found


def _parameters(form: RowParser, body: Mapping[str, Any]) -> Mapping[str, Any]:
    name = body.get("model")
    model = form.catalog.models.get(name) if isinstance(name, str) else None
    return {} if model is None else model.parameters


def _is_column(name: str, form: RowParser, known: Mapping[str, Any]) -> bool:
    return name in form.columns and name not in known and name != "model"


def _filled(template: str, columns: Mapping[str, Any]) -> str:
    """Put columns into a template; nothing of a column is taken for a template again.

    A column that isn't there stays as it is written: the line has a fault, and goes nowhere.
    """
    return _PLACE.sub(lambda place: str(columns.get(place[1], place[0])), template)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and key.isprintable() and 0 < len(key.strip()) <= _LONGEST_KEY
