"""The table that the demo ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.cli.prose import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.demo.record import Record

_HEAD = ("model", "task id", "status", "seconds", "credits reserved")


def table(records: list[Record]) -> str:
    """Return the table: a row for each task, and under it what was asked for and its files."""
    rows = [_HEAD, *map(_row, records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    head, *body = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines = [head, "  ".join("-" * width for width in widths)]
    for line, record in zip(body, records, strict=True):
        lines += [line, *_below(record)]
    return "\n".join(lines)


def _row(record: Record) -> tuple[str, ...]:
    price = "not said" if record.credits is None else str(record.credits)
    cells = (record.wish.model, record.task_id or "-", record.status)
    return (*map(one_line, cells), f"{record.seconds:.1f}", one_line(price))


def _below(record: Record) -> Iterator[str]:
    asked = ", ".join(f"{name} {value}" for name, value in record.wish.asked.items())
    what = one_line(asked) if asked else "nothing but its prompt"
    yield f"  asked for {what}, on the {record.colour} client"
    for path in record.files:
        yield f"  {one_line(str(path))}"
    if record.error is not None:
        yield f"  {one_line(str(record.error))}"
