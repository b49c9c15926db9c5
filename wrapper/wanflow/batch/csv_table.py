"""CSV with a header, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING

from wanflow.batch.models import RowError

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Container, Iterator

    Row = tuple[int, dict[str, str]]

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
# Excel's line that names the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?(?:\n|$)', re.IGNORECASE)


def read_rows(text: str, known_columns: Container[str]) -> Iterator[Row | RowError]:
    """Yield the rows of a table: line number, and non-empty cells by column.

    The separator is the one named by a first line `sep=;`, else the one used in the header. Empty
    rows are skipped. `known_columns` decides if the header can be split in several ways.
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
        header = _read_header(reader)
        error = _header_error(header)
        if error:
            yield RowError(reader.line_num + skipped, error)
            return
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _parse_row(reader.line_num + skipped, header, cells)
    except csv.Error as problem:
        yield RowError(reader.line_num + skipped, f"not valid CSV: {problem}")


def _parse_row(line: int, header: list[str], cells: list[str]) -> Row | RowError:
    if len(cells) != len(header):
        return RowError(line, f"{len(cells)} cells, but the header has {len(header)}")
    for position, (name, cell) in enumerate(zip(header, cells, strict=True), 1):
        if not name and cell.strip():
            return RowError(line, f"cell {position} is in a column without a name")
    return line, {name: cell for name, cell in zip(header, cells, strict=True) if name and cell}


def _detect_separator(text: str, known_columns: Container[str]) -> str | RowError:
    """Return the separator of a table, or an error if the header is ambiguous."""
    headers = {separator: _header_with(text, separator) for separator in _SEPARATORS}
    several = [separator for separator, header in headers.items() if len(header) > 1]
    if len(several) <= 1:
        return several[0] if several else ","
    fitting = [
        one for one in several if all(not name or name in known_columns for name in headers[one])
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = " or the ".join(_SEPARATORS[separator] for separator in several)
    return RowError(1, f"the separator may be the {names}: add a first line such as sep=;")


def _header_with(text: str, separator: str) -> list[str]:
    try:
        return _read_header(_reader(text, separator))
    except csv.Error:
        return []


def _read_header(reader: Reader) -> list[str]:
    for cells in reader:
        names = [cell.strip().strip("\ufeff") for cell in cells]
        if any(names):
            return names
    return []


def _header_error(header: list[str]) -> str | None:
    repeated = [name for name, count in Counter(filter(None, header)).items() if count > 1]
    return f"column {repeated[0]!r} appears twice" if repeated else None


def _reader(text: str, separator: str) -> Reader:
    # newline="": the csv module itself recognizes the line ends.
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
