"""Tables as programs write them: CSV by the comma, the semicolon or the tab, under a head."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from wanflow.batch.models import RowError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    Row = tuple[int, dict[str, str]]

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
# Excel's own way of naming the separator.
_NAMED = re.compile(r'"?sep=(.)"?\r?(?:\n|$)', re.IGNORECASE)


class Records(Protocol):
    """The records of a table, and the number of the line that the last one ended with."""

    @property
    def line_num(self) -> int:
        """The number, from 1."""
        ...

    def __iter__(self) -> Iterator[list[str]]:
        """Go on with the records that are left."""
        ...


def rows_of(text: str, known: Container[str]) -> Iterator[Row | RowError]:
    """Read the rows of a table → their numbers and their cells by column, without empty ones.

    The separator is the one that a first line `sep=;` names, else the one that the head has. Rows
    without any text are passed over. `known` are names of columns, which decide where the head
    could be read in several ways.
    """
    named = _NAMED.match(text)
    skipped = 1 if named else 0
    body = text[named.end() :] if named else text
    separator = named[1] if named else _separator(body, known)
    if isinstance(separator, RowError):
        yield separator
        return
    reader = _reader(body, separator)
    try:
        head = _head(reader)
        fault = _wrong_with(head)
        if fault:
            yield RowError(reader.line_num + skipped, fault)
            return
        for cells in reader:
            number = reader.line_num + skipped
            if any(cell.strip() for cell in cells):
                yield _row(number, head, cells)
    except csv.Error as error:
        yield RowError(reader.line_num + skipped, f"it is not CSV: {error}")


def _row(number: int, head: list[str], cells: list[str]) -> Row | RowError:
    if len(cells) != len(head):
        return RowError(number, f"it has {len(cells)} cells, and the head has {len(head)}")
    for place, (name, cell) in enumerate(zip(head, cells, strict=True), 1):
        if not name and cell.strip():
            return RowError(number, f"cell {place} is in a column without a name")
    return number, {name: cell for name, cell in zip(head, cells, strict=True) if name and cell}


def _separator(text: str, known: Container[str]) -> str | RowError:
    """Return the separator of a table, or the fault where the head doesn't tell it."""
    heads = {separator: _head_by(text, separator) for separator in _SEPARATORS}
    several = [separator for separator, head in heads.items() if len(head) > 1]
    if len(several) <= 1:
        return several[0] if several else ","
    fitting = [one for one in several if all(not name or name in known for name in heads[one])]
    if len(fitting) == 1:
        return fitting[0]
    names = " or the ".join(_SEPARATORS[separator] for separator in several)
    return RowError(1, f"its cells may be separated by the {names}: add a first line such as sep=;")


def _head_by(text: str, separator: str) -> list[str]:
    try:
        return _head(_reader(text, separator))
    except csv.Error:
        return []


def _head(reader: Records) -> list[str]:
    for cells in reader:
        names = [cell.strip().strip("\ufeff") for cell in cells]
        if any(names):
            return names
    return []


def _wrong_with(head: list[str]) -> str | None:
    twice = [name for name, count in Counter(filter(None, head)).items() if count > 1]
    return f"column {twice[0]!r} is there twice" if twice else None


def _reader(text: str, separator: str) -> Records:
    # Lines end at what ends lines in a file; no other character does that in a cell.
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
