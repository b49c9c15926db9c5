"""Batch files: JSON Lines or CSV with a header, and templates that build texts from columns."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from attrs import field, frozen

from wanflow._core.local_files import local_files, with_links
from wanflow.batch.csv_table import read_rows
from wanflow.batch.models import JobSpec, RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wanflow.catalog.catalog import Catalog

KEY = "key"
"""The column, or member, with the user's key for the job."""
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_MAX_KEY_LENGTH = 200
_WHITESPACE = " \t\r\n"
"""The white space of JSON."""


@frozen
class RowParser:
    """Turns lines into requests.

    `model` is for lines that name none. `templates` are parameters built from columns, written as
    `{column}`. A column that a template uses is a parameter only if the model has one of its name.
    Relative paths of local files are relative to `files_dir`; without it, they stay as they are.
    """

    catalog: Catalog
    model: str | None = None
    templates: Mapping[str, str] = field(factory=dict[str, str])
    files_dir: Path | None = None

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the templates use."""
        found = (_PLACEHOLDER.findall(template) for template in self.templates.values())
        return frozenset(name for names in found for name in names)


def read_jsonl(text: str | Iterable[str], parser: RowParser) -> Iterator[JobSpec | RowError]:
    """Yield the jobs of JSON Lines, given as a text or as lines; empty lines are skipped."""
    if isinstance(text, str) and _is_json_array(text):
        yield RowError(1, "the file is a JSON array; write one object per line (jq -c '.[]')")
        return
    for number, line in enumerate(text.split("\n") if isinstance(text, str) else text, 1):
        if not line.strip(_WHITESPACE):
            continue
        try:
            found = _parse_json(line)
        except (ValueError, RecursionError) as error:
            yield RowError(number, f"not valid JSON: {error}")
            continue
        if isinstance(found, dict):
            yield make_job(number, cast("dict[str, Any]", found), parser)
        else:
            yield RowError(number, "not a JSON object")


def _is_json_array(text: str) -> bool:
    """Whether a text is a JSON array of objects."""
    if not text.lstrip(_WHITESPACE).startswith("["):
        return False
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return all(isinstance(one, dict) for one in found)


def _parse_json(text: str) -> Any:
    """Parse standard JSON.

    Raises:
        ValueError: the text isn't JSON, or an object has two members of one name.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        text,
        object_pairs_hook=_unique_members,
        parse_constant=_reject_constant,
        parse_float=_parse_finite,
    )


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of its members.

    Raises:
        ValueError: a name appears twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(one for one in found if sum(one == other for other, _ in pairs) > 1)
        raise ValueError(f"{name!r} appears twice")
    return found


def _reject_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _parse_finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _reject_constant(text)


def read_csv(text: str | Iterable[str], parser: RowParser) -> Iterator[JobSpec | RowError]:
    """Yield the jobs of a CSV text. Cells get their parameters' types; empty ones are unset."""
    models = parser.catalog.models.values()
    known = {name for model in models for name in model.parameters}
    for row in read_rows("".join(text), {*known, *parser.columns, KEY, "model"}):
        yield row if isinstance(row, RowError) else _job_of_row(*row, parser)


def make_job(line: int, members: Mapping[str, Any], parser: RowParser) -> JobSpec:
    """Return a job from a line's members, which have the types of the parameters."""
    body = {name: value for name, value in members.items() if name != KEY and value is not None}
    if parser.model is not None:
        body.setdefault("model", parser.model)
    known = _parameters(parser, body)
    built = {name: _fill_template(template, members) for name, template in parser.templates.items()}
    kept = {
        name: value for name, value in body.items() if not _is_template_column(name, parser, known)
    }
    key = members.get(KEY)
    errors = tuple(_job_errors(members, parser))
    found = _with_paths({**kept, **built}, parser)
    return JobSpec(line, found, key if isinstance(key, str) else None, errors)


def _with_paths(body: dict[str, Any], parser: RowParser) -> dict[str, Any]:
    """Return a request in which the paths of local files are relative to the working directory."""
    name, base = body.get("model"), parser.files_dir
    model = parser.catalog.models.get(name) if isinstance(name, str) else None
    if model is None or base is None:
        return body
    files = [
        file
        for file in local_files(parser.catalog.document, model, body, paths_only=False)
        if isinstance(file.source, Path)
    ]
    return with_links(body, tuple(files), lambda file: str(base / file.shown))


def _job_errors(members: Mapping[str, Any], parser: RowParser) -> Iterator[str]:
    """Yield the problems of a line that don't concern its request."""
    for column in sorted(parser.columns):
        if members.get(column) is None:
            yield f"a template needs {column}, which is missing"
    key = members.get(KEY)
    if key is not None and not _is_key(key):
        yield f"key must be a text of 1 to {_MAX_KEY_LENGTH} printable characters"


def _job_of_row(line: int, cells: Mapping[str, str], parser: RowParser) -> JobSpec:
    known = _parameters(parser, {"model": cells.get("model", parser.model)})
    typed = {name: _parse_cell(cell, known.get(name)) for name, cell in cells.items()}
    return make_job(line, typed, parser)


def _parse_cell(cell: str, schema: Mapping[str, Any] | None) -> Any:
    """Convert a cell to its parameter's type; if that fails, it stays a text, which is invalid."""
    types = _schema_types(schema or {})
    text = cell.strip()
    if not types or "string" in types:
        return cell
    if "boolean" in types and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        value = _parse_json(text)
    except (ValueError, RecursionError):
        value = cell
    return [cell] if "array" in types and not text.startswith("[") else value


def _schema_types(schema: Mapping[str, Any]) -> set[str]:
    """Return the types that a schema names, its branches included."""
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
    """Replace the placeholders of a template; placeholders inside values stay as they are.

    A missing column keeps its placeholder: the line is invalid and isn't sent.
    """
    return _PLACEHOLDER.sub(lambda match: str(columns.get(match[1], match[0])), template)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and key.isprintable() and 0 < len(key.strip()) <= _MAX_KEY_LENGTH
