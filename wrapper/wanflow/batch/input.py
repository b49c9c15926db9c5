"""Batches as files: JSON lines, or CSV with a head, and templates that make texts of columns."""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn, cast

from attrs import field, frozen

from wanflow.batch.csv_table import read_rows
from wanflow.batch.models import JobSpec, RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wanflow.catalog.catalog import Catalog

KEY = "key"
"""The column, or member of a line, that holds the user's own key for the job."""
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_MAX_KEY_LENGTH = 200
_WHITESPACE = " \t\r\n"
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
        found = (_PLACEHOLDER.findall(template) for template in self.templates.values())
        return frozenset(name for names in found for name in names)


def decode_text(content: bytes) -> str:
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


def read_jsonl(text: str | Iterable[str], parser: RowParser) -> Iterator[JobSpec | RowError]:
    """Read JSON objects, one a line, of a text or of its lines; empty lines are passed over."""
    if isinstance(text, str) and _is_json_array(text):
        yield RowError(1, "the file is one JSON array; wanted is one object a line (jq -c '.[]')")
        return
    for number, line in enumerate(text.split("\n") if isinstance(text, str) else text, 1):
        if not line.strip(_WHITESPACE):
            continue
        try:
            found = _parse_json(line)
        except (ValueError, RecursionError) as error:
            yield RowError(number, f"it is not JSON: {error}")
            continue
        if isinstance(found, dict):
            yield make_job(number, cast("dict[str, Any]", found), parser)
        else:
            yield RowError(number, "it is no JSON object")


def _is_json_array(text: str) -> bool:
    """Tell whether a file is a list of objects instead of lines."""
    if not text.lstrip(_WHITESPACE).startswith("["):
        return False
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return all(isinstance(one, dict) for one in found)


def _parse_json(text: str) -> Any:
    """Read JSON as its standard has it.

    Raises:
        ValueError: it isn't, or nobody knows which of two members of a name is meant.
        RecursionError: it nests too deeply.
    """
    return json.loads(
        text,
        object_pairs_hook=_unique_members,
        parse_constant=_reject_constant,
        parse_float=_parse_finite,
    )


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; of two of a name, nobody knows which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name in found if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _reject_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _parse_finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else _reject_constant(word)


def read_csv(text: str | Iterable[str], parser: RowParser) -> Iterator[JobSpec | RowError]:
    """Read rows under a head; a cell is read as its parameter's type, an empty one isn't set."""
    models = parser.catalog.models.values()
    known = {name for model in models for name in model.parameters}
    for row in read_rows("".join(text), {*known, *parser.columns, KEY, "model"}):
        yield row if isinstance(row, RowError) else _job_of_row(*row, parser)


def make_job(line: int, members: Mapping[str, Any], parser: RowParser) -> JobSpec:
    """Make a line of members that have the types of the parameters."""
    body = {name: value for name, value in members.items() if name != KEY and value is not None}
    if parser.model is not None:
        body.setdefault("model", parser.model)
    known = _parameters(parser, body)
    made = {name: _fill_template(template, members) for name, template in parser.templates.items()}
    kept = {
        name: value for name, value in body.items() if not _is_template_column(name, parser, known)
    }
    key = members.get(KEY)
    faults = tuple(_job_errors(members, parser))
    return JobSpec(line, {**kept, **made}, key if isinstance(key, str) else None, faults)


def _job_errors(members: Mapping[str, Any], parser: RowParser) -> Iterator[str]:
    """Find what is wrong with a line beside its request."""
    for column in sorted(parser.columns):
        if members.get(column) is None:
            yield f"a template needs {column}, which the line doesn't have"
    key = members.get(KEY)
    if key is not None and not _is_key(key):
        yield f"key must be a text of 1 to {_MAX_KEY_LENGTH} printable characters"


def _job_of_row(line: int, cells: Mapping[str, str], parser: RowParser) -> JobSpec:
    known = _parameters(parser, {"model": cells.get("model", parser.model)})
    typed = {name: _parse_cell(cell, known.get(name)) for name, cell in cells.items()}
    return make_job(line, typed, parser)


def _parse_cell(cell: str, schema: Mapping[str, Any] | None) -> Any:
    """Read a cell as its parameter's type; one that can't be stays a text, and fails the check."""
    types = _schema_types(schema or {})
    word = cell.strip()
    if not types or "string" in types:
        return cell
    if "boolean" in types and word.lower() in {"true", "false"}:
        return word.lower() == "true"
    try:
        value = _parse_json(word)
    except (ValueError, RecursionError):
        value = cell
    return [cell] if "array" in types and not word.startswith("[") else value


def _schema_types(schema: Mapping[str, Any]) -> set[str]:
    """Return the types that a schema names, in whichever of its branches."""
    named = schema.get("type", [])
    found = {named} if isinstance(named, str) else set(named)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(keyword, []):
            found |= _schema_types(branch)
    return found


def _parameters(parser: RowParser, body: Mapping[str, Any]) -> Mapping[str, Any]:
    name = body.get("model")
    model = parser.catalog.models.get(name) if isinstance(name, str) else None
    return {} if model is None else model.parameters


def _is_template_column(name: str, parser: RowParser, known: Mapping[str, Any]) -> bool:
    return name in parser.columns and name not in known and name != "model"


def _fill_template(template: str, columns: Mapping[str, Any]) -> str:
    """Put columns into a template; nothing of a column is taken for a template again.

    A column that isn't there stays as it is written: the line has a fault, and goes nowhere.
    """
    return _PLACEHOLDER.sub(lambda place: str(columns.get(place[1], place[0])), template)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and key.isprintable() and 0 < len(key.strip()) <= _MAX_KEY_LENGTH
