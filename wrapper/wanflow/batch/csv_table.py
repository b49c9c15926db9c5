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
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?(?:\n|$)', re.IGNORECASE)


class CsvReader(Protocol):
    """The records of a table, and the number of the line that the last one ended with."""

    @property
    def line_num(self) -> int:
        """The number, from 1."""
        ...

    def __iter__(self) -> Iterator[list[str]]:
        """Go on with the records that are left."""
        ...


def read_rows(text: str, known_columns: Container[str]) -> Iterator[Row | RowError]:
    """Read the rows of a table → their numbers and their cells by column, without empty ones.

    The separator is the one that a first line `sep=;` names, else the one that the head has. Rows
    without any text are passed over. `known` are names of columns, which decide where the head
    could be read in several ways.
    """
    named = _SEPARATOR_LINE.match(text)
    skipped = 1 if named else 0
    body = text[named.end() :] if named else text
    separator = named[1] if named else _detect_separator(body, known_columns)
    if isinstance(separator, RowError):
        yield separator
        return
    reader = _reader(body, separator)
    try:
        head = _read_header(reader)
        fault = _header_error(head)
        if fault:
            yield RowError(reader.line_num + skipped, fault)
            return
        for cells in reader:
            number = reader.line_num + skipped
            if any(cell.strip() for cell in cells):
                yield _parse_row(number, head, cells)
    except csv.Error as error:
        yield RowError(reader.line_num + skipped, f"it is not CSV: {error}")


def _parse_row(line: int, header: list[str], cells: list[str]) -> Row | RowError:
    if len(cells) != len(header):
        return RowError(line, f"it has {len(cells)} cells, and the head has {len(header)}")
    for place, (name, cell) in enumerate(zip(header, cells, strict=True), 1):
        if not name and cell.strip():
            return RowError(line, f"cell {place} is in a column without a name")
    return line, {name: cell for name, cell in zip(header, cells, strict=True) if name and cell}


def _detect_separator(text: str, known_columns: Container[str]) -> str | RowError:
    """Return the separator of a table, or the fault where the head doesn't tell it."""
    heads = {separator: _header_with(text, separator) for separator in _SEPARATORS}
    several = [separator for separator, head in heads.items() if len(head) > 1]
    if len(several) <= 1:
        return several[0] if several else ","
    fitting = [
        one for one in several if all(not name or name in known_columns for name in heads[one])
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = " or the ".join(_SEPARATORS[separator] for separator in several)
    return RowError(1, f"its cells may be separated by the {names}: add a first line such as sep=;")


def _header_with(text: str, separator: str) -> list[str]:
    try:
        return _read_header(_reader(text, separator))
    except csv.Error:
        return []


def _read_header(reader: CsvReader) -> list[str]:
    for cells in reader:
        names = [cell.strip().strip("\ufeff") for cell in cells]
        if any(names):
            return names
    return []


def _header_error(header: list[str]) -> str | None:
    twice = [name for name, count in Counter(filter(None, header)).items() if count > 1]
    return f"column {twice[0]!r} is there twice" if twice else None


def _reader(text: str, separator: str) -> CsvReader:
    # Lines end at what ends lines in a file; no other character does that in a cell.
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
