"""Batches as files: JSON lines, or CSV with a head, and templates that make texts of columns."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from wanflow.batch.line import Fault, Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wanflow.spec.catalog import Catalog

KEY = "key"
"""The column, or member of a line, that holds the user's own key for the job."""
_PLACE = re.compile(r"\{([^{}]+)\}")
_LONGEST_KEY = 200


@frozen
class Form:
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


def read_jsonl(text: Iterable[str], form: Form) -> Iterator[Line | Fault]:
    """Read JSON objects, one a line; empty lines are passed over."""
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            found: Any = json.loads(line, object_pairs_hook=_once_each)
        except (ValueError, RecursionError) as error:
            yield Fault(number, f"it is not JSON: {error}")
            continue
        if isinstance(found, dict):
            yield make_line(number, cast("dict[str, Any]", found), form)
        else:
            yield Fault(number, "it is no JSON object")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; of two of a name, nobody knows which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name in found if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def read_csv(text: Iterable[str], form: Form) -> Iterator[Line | Fault]:
    """Read rows under a head; a cell is read as its parameter's type, an empty one isn't set."""
    reader = csv.DictReader(text, strict=True)
    try:
        for row in reader:
            yield _line_of_row(reader.line_num, row, form)
    except csv.Error as error:
        yield Fault(reader.line_num, f"it is not CSV: {error}")


def make_line(number: int, found: Mapping[str, Any], form: Form) -> Line:
    """Make a line of members that have the types of the parameters."""
    body = {name: value for name, value in found.items() if name != KEY and value is not None}
    if form.model is not None:
        body.setdefault("model", form.model)
    known = _parameters(form, body)
    made = {name: _filled(template, found) for name, template in form.templates.items()}
    kept = {name: value for name, value in body.items() if not _is_column(name, form, known)}
    key = found.get(KEY)
    faults = tuple(_faults(found, form))
    return Line(number, {**kept, **made}, key if isinstance(key, str) else None, faults)


def _faults(found: Mapping[str, Any], form: Form) -> Iterator[str]:
    """Find what is wrong with a line beside its request."""
    for column in sorted(form.columns):
        if found.get(column) is None:
            yield f"a template needs {column}, which the line doesn't have"
    key = found.get(KEY)
    if key is not None and not _is_key(key):
        yield f"key must be a text of 1 to {_LONGEST_KEY} printable characters"


def _line_of_row(number: int, row: Mapping[str | Any, Any], form: Form) -> Line | Fault:
    if None in row or None in row.values():
        return Fault(number, "it has more or fewer cells than the head")
    cells = {name: cell for name, cell in row.items() if cell != ""}
    known = _parameters(form, {"model": cells.get("model", form.model)})
    typed = {name: _typed(cell, known.get(name)) for name, cell in cells.items()}
    return make_line(number, typed, form)


def _typed(cell: str, schema: Mapping[str, Any] | None) -> Any:
    """Read a cell as its parameter's type; one that can't be stays a text, and fails the check."""
    kind = (schema or {}).get("type", "string")
    if kind == "string":
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return [cell] if kind == "array" else cell


def _parameters(form: Form, body: Mapping[str, Any]) -> Mapping[str, Any]:
    name = body.get("model")
    model = form.catalog.models.get(name) if isinstance(name, str) else None
    return {} if model is None else model.parameters


def _is_column(name: str, form: Form, known: Mapping[str, Any]) -> bool:
    return name in form.columns and name not in known and name != "model"


def _filled(template: str, columns: Mapping[str, Any]) -> str:
    """Put columns into a template; nothing of a column is taken for a template again.

    A column that isn't there stays as it is written: the line has a fault, and goes nowhere.
    """
    return _PLACE.sub(lambda place: str(columns.get(place[1], place[0])), template)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and key.isprintable() and 0 < len(key.strip()) <= _LONGEST_KEY
