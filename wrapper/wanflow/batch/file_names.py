"""The names of the files of a batch, by one template for all jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import normalize

from attrs import evolve

from wanflow.batch.models import RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow._core.file_names import NameTemplate
    from wanflow.batch.models import PlannedJob

_KEY = "key"


def with_file_names(jobs: Iterable[PlannedJob], name: NameTemplate) -> list[PlannedJob]:
    """Return the jobs with the template, in which the key and the model of each are set."""
    return [evolve(job, file_name=name.bind(key=job.key, model=job.model)) for job in jobs]


def name_errors(jobs: Iterable[PlannedJob], name: NameTemplate) -> Iterator[RowError]:
    """Find jobs whose files can't be named, or would have the name of another job's file.

    Names that differ only in case are one name, as on macOS and Windows.
    """
    lines: dict[str, int] = {}
    field = "{task_id}" if _KEY in name.fields else "{key} or {task_id}"
    for job in jobs:
        template = job.file_name
        assert template is not None
        if _KEY in template.fields:
            yield RowError(job.line, f"the name {str(name)!a} needs a key, which is missing")
            continue
        # The id isn't known yet, and differs from those of all other tasks.
        stem, _ = template.stems({"task_id": f"task of line {job.line}"}, 0, 1)
        first = lines.setdefault(normalize("NFKC", stem).casefold(), job.line)
        if first != job.line:
            yield RowError(
                job.line,
                f"its file would have the name {stem!a}, as that of line {first}: "
                f"put {field} into the name",
            )
