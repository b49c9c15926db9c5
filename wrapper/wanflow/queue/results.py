"""What came of the jobs of a batch in a queue, read from the ledger while workers do them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field
from psycopg.rows import dict_row

from wanflow._core.effects import InvokeCallback, read_clock, run_blocking, sleep
from wanflow._core.recorder import File
from wanflow.batch.contact_sheet import write_sheet
from wanflow.batch.models import BatchProgress, JobResult, JobStatus
from wanflow.batch.report import Report, write_pages, write_report
from wanflow.batch.results import Results
from wanflow.batch.total import NOTHING, Total
from wanflow.ledger.job import JobState
from wanflow.ledger.rows import path_from_text
from wanflow.queue.database import Database, DatabaseLost
from wanflow.queue.engine import QUEUE, SCHEMA
from wanflow.queue.totals import TOTAL_COLUMNS, total_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wanflow._core.effects import Flow
    from wanflow.batch.models import OnBatchProgress, OnJobResult, StopSignal
    from wanflow.queue.enqueue import EnqueuedBatch

_INTERVAL = 0.5
_LONGEST_INTERVAL = 5.0
_ENDS = {
    JobState.SAVED: JobStatus.SAVED,
    JobState.FAILED: JobStatus.FAILED,
    JobState.LOST: JobStatus.FAILED,
    JobState.REJECTED: JobStatus.FAILED,
    JobState.UNCERTAIN: JobStatus.UNCERTAIN,
    JobState.DISCARDED: JobStatus.DISCARDED,
}
_ENDED = ", ".join(f"'{state}'" for state in _ENDS)
# An uncertain job that is sent again has a row: of its step, or of the one before while a worker
# sends it, since that row is deleted together with the write of the outcome.
_SENT_AGAIN = f"""(job.state = 'uncertain' AND EXISTS (
    SELECT FROM {QUEUE} AS queued
    WHERE queued.dedupe_key IN (job.id || ':' || job.step, job.id || ':' || (job.step - 1))
        AND queued.status IN ('queued', 'picked') AND queued.dedupe_key IS NOT NULL
))"""
_COUNTS = f"""
    SELECT CASE WHEN {_SENT_AGAIN} THEN 'intent' ELSE state END AS state,
        parked IS NOT NULL AS parked, count(*) AS jobs
    FROM {SCHEMA}.job AS job WHERE batch = %s AND name IS NOT NULL GROUP BY 1, 2
"""  # noqa: S608 - our own names
_TOTAL = f"SELECT {TOTAL_COLUMNS} FROM {SCHEMA}.job AS job WHERE batch = %s"  # noqa: S608
_IDS = f"""
    SELECT id FROM {SCHEMA}.job AS job
    WHERE batch = %s AND name IS NOT NULL AND (state IN ({_ENDED}) OR parked IS NOT NULL)
        AND NOT {_SENT_AGAIN}
"""  # noqa: S608
_JOBS = f"""
    SELECT job.id, job.name, job.state, job.parked, job.reason, job.code, job.task, job.credits,
        job.sends, job.key, job.attempt, folder.text AS folder, (
            SELECT json_agg(json_build_array(file.place, file.name, file.size,
                encode(file.sha256, 'hex')) ORDER BY file.place)
            FROM {SCHEMA}.file AS file WHERE file.job = job.id
        )::text AS files
    FROM {SCHEMA}.job AS job LEFT JOIN {SCHEMA}.place AS folder ON folder.id = job.folder
    WHERE job.id = ANY(%s) OR (job.batch = %s AND job.state = 'planned' AND %s)
"""  # noqa: S608
_CHUNK = 1_000


@define(eq=False)
class Watch:
    """The jobs of a batch that have ended so far, and the progress of the others."""

    batch: EnqueuedBatch
    database: Database = field(repr=False)
    _seen: set[int] = field(factory=set[int])
    _ended: int = -1
    total: Total = NOTHING
    halted: str = ""
    counts: dict[JobState, int] = field(factory=dict[JobState, int])
    parked: int = 0

    def refresh(self) -> list[JobResult]:
        """Read what has changed; return the results of the jobs that have ended since."""
        with self.database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            rows = cursor.execute(_COUNTS, [self.batch.id]).fetchall()
            self.total = total_of(cursor.execute(_TOTAL.encode(), [self.batch.id]).fetchall())
            query = f"SELECT halted FROM {SCHEMA}.batch WHERE id = %s"  # noqa: S608
            found = connection.execute(query, [self.batch.id]).fetchone()
            self.halted = "" if found is None else found[0] or ""
            self._count(rows)
            if self.ended == self._ended:
                return []
            ids = [one for (one,) in connection.execute(_IDS.encode(), [self.batch.id])]
            fresh = [one for one in ids if one not in self._seen]
            first = self._ended < 0
            results = self._read(fresh, first=first)
            self._seen.update(fresh)
            self._ended = len(self._seen)
            return results

    def unsent(self) -> list[JobResult]:
        """Return the results of the jobs that were not sent because the batch was halted."""
        with self.database.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            rows = cursor.execute(_JOBS, [[], self.batch.id, True]).fetchall()
        return [self._result(row, JobStatus.NOT_SENT, self.halted) for row in rows]

    @property
    def ended(self) -> int:
        """The number of jobs that have ended, or wait for their user."""
        return self.parked + sum(self.counts.get(state, 0) for state in _ENDS)

    @property
    def open(self) -> int:
        """The number of jobs that workers go on with."""
        waiting = 0 if self.halted else self.counts.get(JobState.PLANNED, 0)
        running = (JobState.INTENT, JobState.ACCEPTED, JobState.COMPLETED)
        return waiting + sum(self.counts.get(state, 0) for state in running)

    def progress(self, recent_errors: Sequence[str]) -> BatchProgress:
        """Return the progress."""
        count = self.counts.get
        failed = sum(count(state, 0) for state, end in _ENDS.items() if end is JobStatus.FAILED)
        return BatchProgress(
            total=len(self.batch.jobs),
            saved=count(JobState.SAVED, 0),
            failed=failed,
            uncertain=count(JobState.UNCERTAIN, 0),
            waiting=count(JobState.PLANNED, 0),
            submitting=count(JobState.INTENT, 0),
            running=count(JobState.ACCEPTED, 0),
            saving=count(JobState.COMPLETED, 0),
            credits=self.total.credits,
            credits_at_most=self.total.at_most,
            discarded=count(JobState.DISCARDED, 0),
            recent_errors=tuple(recent_errors),
        )

    def _count(self, rows: list[dict[str, Any]]) -> None:
        self.counts = {JobState(row["state"]): row["jobs"] for row in rows if not row["parked"]}
        self.parked = sum(row["jobs"] for row in rows if row["parked"])

    def _read(self, ids: list[int], *, first: bool) -> list[JobResult]:
        found: list[JobResult] = []
        for start in range(0, len(ids), _CHUNK):
            with self.database.connection() as connection:
                cursor = connection.cursor(row_factory=dict_row)
                values = [ids[start : start + _CHUNK], self.batch.id, False]
                for row in cursor.execute(_JOBS, values):
                    status = _ENDS.get(JobState(row["state"]), JobStatus.RESUMABLE)
                    found.append(self._result(row, status, row["parked"] or "", earlier=first))
        return found

    def _result(
        self, row: dict[str, Any], status: JobStatus, reason: str, *, earlier: bool = False
    ) -> JobResult:
        folder = path_from_text(row["folder"] or ".")
        files = tuple(
            File(place, folder / name, size, digest)
            for place, name, size, digest in json.loads(row["files"] or "[]")
        )
        return JobResult(
            self.batch.jobs[row["name"]],
            status,
            reason or " ".join(filter(None, (row["code"], row["reason"]))),
            row["task"],
            row["credits"],
            0 if status is JobStatus.NOT_SENT else row["attempt"],
            files,
            from_earlier_run=earlier,
            key=row["key"],
            code=row["code"],
        )


def follow(
    batch: EnqueuedBatch,
    emit: Callable[[JobResult], Flow[None]],
    on_watch: Callable[[Watch], Flow[None]],
    stop: StopSignal | None = None,
) -> Flow[Watch]:
    """Emit the result of each job as it ends, until no worker has anything left to do.

    A database that is lost meanwhile is waited for.
    """
    watch, interval = Watch(batch, Database(batch.options.queue)), _INTERVAL
    try:
        while True:
            try:
                results = yield from run_blocking(watch.refresh, abandonable=True)
            except DatabaseLost:
                results = []
            else:
                for result in results:
                    yield from emit(result)
                yield from on_watch(watch)
                if not watch.open or (stop is not None and stop.is_set):
                    break
            interval = _INTERVAL if results else min(_LONGEST_INTERVAL, interval * 1.2)
            yield from sleep(interval)
        if watch.halted:
            for result in (yield from run_blocking(watch.unsent)):
                yield from emit(result)
        return watch
    finally:
        watch.database.close()


def wait(
    batch: EnqueuedBatch,
    on_progress: OnBatchProgress = None,
    on_result: OnJobResult = None,
    stop: StopSignal | None = None,
) -> Flow[Report]:
    """Wait until all jobs have ended, and write the report and the contact sheet."""
    results, start = Results(on_result), (yield from read_clock()).monotonic

    def report_progress(watch: Watch) -> Flow[None]:
        if on_progress is not None:
            yield InvokeCallback(on_progress, watch.progress(results.recent_errors))

    watch = yield from follow(batch, results.add, report_progress, stop)
    stopped = watch.halted or ("the wait was stopped; the workers go on" if watch.open else "")
    report = Report(
        batch.options.out,
        tuple(sorted(results.job_results, key=lambda result: result.job.line)),
        watch.total.credits,
        (yield from read_clock()).monotonic - start,
        stopped,
        credits_at_most=watch.total.at_most,
    )
    return (yield from run_blocking(lambda: write_pages(report, write_report, write_sheet)))
