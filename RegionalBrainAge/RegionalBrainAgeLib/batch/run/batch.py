"""A batch from list to table: what is to be done, what is done already, and what became of each case."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ...case.result.tables import PROCESSED_NAME
from ...errors import Cancelled, InputError, RegionalBrainAgeError
from ...progress import LOG
from ..lists.case_list import CaseList, FailedCase, sessions_by_person
from .case_process import WORKER
from .case_records import DONE, GO_ON, Record, Store
from .fingerprint import case_fingerprint, settings_fingerprint
from .options import BatchOptions
from .progress import Meter, Progress
from .tables import FAILED_NAME, QUALITY_PAGE_NAME, write_failed, write_processed
from .task import Task, make_tasks

# Runs tasks and yields how each ended: `local_pool.run_local` or `dask_pool.run_on_dask` with its options filled in.
Execute = Callable[..., Generator[Record, None, None]]
_TABLE_INTERVAL_S = 5.0
_HASHING_THREADS = 2
_MOST_ANNOUNCED = 10


@dataclass(frozen=True)
class BatchSummary:
    """What became of a batch.

    Parameters
    ----------
    done : cases computed now.
    unchanged : cases that were complete and unchanged, and skipped.
    failed : cases without a result, in the order of the list.
    table : processed_cases.csv.
    remarks : sentences for the user.
    seconds : duration.
    peak_memory_mb : most memory one of the cases computed now needed.
    pages : HTML pages about the batch.
    """

    done: int
    unchanged: int
    failed: tuple[FailedCase, ...]
    table: Path
    remarks: tuple[str, ...]
    seconds: float
    peak_memory_mb: float
    pages: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> int:
        """3 when cases failed, otherwise 0."""
        return 3 if self.failed else 0

    def as_text(self) -> str:
        """The summary in words."""
        lines = [
            f"{self.done} computed, {self.unchanged} unchanged, {len(self.failed)} failed in {self.seconds:.0f} s.",
        ]
        if self.table.exists():
            lines.append(f"Table: {self.table}")
        if self.failed:
            lines.append(f"Failed cases and reasons: {self.table.with_name(FAILED_NAME)}")
            lines += [f"  {case.where}: {case.reason}" for case in self.failed[:_MOST_ANNOUNCED]]
            if len(self.failed) > _MOST_ANNOUNCED:
                lines.append(f"  and {len(self.failed) - _MOST_ANNOUNCED} more")
        lines += [f"Page: {page}" for page in self.pages]
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])


def run_batch(
    case_list: CaseList,
    out_dir: Path | str,
    execute: Execute,
    columns: Sequence[str],
    options: BatchOptions,
    *,
    command: Sequence[str] = WORKER,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BatchSummary:
    """Compute the cases of a list, each in a process of its own, and write the tables.

    Killed at any moment, it can be run again with `resume` and then leaves the same processed_cases.csv as a run that
    was not disturbed.

    Parameters
    ----------
    out_dir : created if needed.
    execute : called as ``execute(tasks, update=, cancelled=)``; yields a record per task.
    columns : header of processed_cases.csv.
    command : program that computes one case (see `task.Task`).
    progress, cancelled : for those who have a window.

    Raises
    ------
    InputError : the folder is in use, or has results and the options say neither `resume` nor `overwrite`.
    Cancelled : Ctrl-C, or the `cancelled` callback returned True; finished cases are kept.
    """
    start = time.monotonic()
    out_dir = Path(out_dir)
    store = Store(out_dir)
    settings = {
        "model": _absolute(options.model),
        "scheme": _absolute(options.scheme),
        "threads": options.threads,
        "report": options.report,
        "dicom": options.dicom,
        "keep_paths": options.keep_paths,
        "command": tuple(command),
    }
    with store.owned() as token:
        tasks = make_tasks([(c.case, c.notes) for c in case_list.cases], out_dir, settings | {"token": token})
        finished = _finished(store, tasks, columns) if options.resume else {}
        if not (options.resume or options.overwrite):
            _refuse_existing(store, tasks)
        ledger = Ledger(store, case_list, columns, finished)
        (out_dir / QUALITY_PAGE_NAME).unlink(missing_ok=True)  # it would show other cases until the new one is written
        ledger.save()
        if options.show_bar:
            _announce(case_list, len(tasks) - len(finished), len(finished))
        meter = Meter(len(tasks) - len(finished), progress, options.show_bar)
        _compute([task for task in tasks if task.name not in finished], ledger, execute, meter, cancelled)
        ledger.save()
    return BatchSummary(
        done=ledger.done,
        unchanged=len(finished),
        failed=tuple(sorted(ledger.failed, key=lambda case: case.line)),
        table=out_dir / PROCESSED_NAME,
        remarks=(*case_list.remarks, *_remarks(ledger)),
        seconds=time.monotonic() - start,
        peak_memory_mb=ledger.peak_memory_mb,
    )


def _announce(case_list: CaseList, to_compute: int, unchanged: int) -> None:
    """Say before hours of work what will be done, and what cannot be."""
    parts = [f"{to_compute} case(s) to compute", f"{unchanged} unchanged" if unchanged else ""]
    parts.append(f"{len(case_list.broken)} set aside" if case_list.broken else "")
    LOG.info(", ".join(filter(None, parts)) + ".")
    for case in case_list.broken[:_MOST_ANNOUNCED]:
        LOG.info(f"  set aside: {case.where}: {case.reason}")
    if len(case_list.broken) > _MOST_ANNOUNCED:
        LOG.info(f"  and {len(case_list.broken) - _MOST_ANNOUNCED} more; all are listed in {FAILED_NAME} at the end")
    for remark in case_list.remarks:
        LOG.info(f"note: {remark}")


class Ledger:
    """Who has a result and who has none, and the table of it.

    Parameters
    ----------
    finished : records, by name, of cases that need no computing.
    """

    def __init__(
        self, store: Store, case_list: CaseList, columns: Sequence[str], finished: Mapping[str, Record]
    ) -> None:
        self.failed = list(case_list.broken)
        self.done = 0
        self.others = 0
        self.peak_memory_mb = 0.0
        self._saved, self._behind = time.monotonic(), False
        self.planned = {planned.case.name: planned for planned in case_list.cases}
        self._store = store
        self._columns = columns
        self._rows: dict[str, Mapping[str, str]] = {}
        for record in finished.values():
            self._rows[self._case_id(record.name)] = record.row
        store.sweep(self.planned)

    @property
    def case_ids(self) -> list[str]:
        """Ids of the planned cases, in the order of the list."""
        return [planned.case.case_id for planned in self.planned.values()]

    @property
    def complete(self) -> int:
        """Number of cases that have a row."""
        return len(self._rows)

    def enter(self, record: Record) -> None:
        """Note how a case ended."""
        if record.status == DONE:
            self.done += 1
            self.peak_memory_mb = max(self.peak_memory_mb, record.peak_memory_mb)
            self._rows[self._case_id(record.name)] = record.row
            self._behind = True
            return
        log = self._store.log_path(record.name)
        where = log.relative_to(self._store.out_dir).as_posix() if log.exists() else ""
        line = self.planned[record.name].line
        self._behind = True
        self.failed.append(FailedCase(line, self._case_id(record.name), "case", record.reason, where))

    def save(self) -> None:
        """Write processed_cases.csv and failed_cases.csv as far as they are known."""
        listed = dict.fromkeys([*self.case_ids, *(case.case_id for case in self.failed)])
        self.others = write_processed(self._store.out_dir, self._columns, list(listed), self._rows)
        write_failed(self._store.out_dir, self.failed)

    def save_if_possible(self) -> None:
        """The same on the way, where a full disk must not end the batch: the last `save` tells."""
        with contextlib.suppress(RegionalBrainAgeError):
            self.save()
        self._saved, self._behind = time.monotonic(), False

    def save_now_and_then(self) -> None:
        """The same if there are new rows and the last writing is a while ago."""
        if self._behind and time.monotonic() - self._saved > _TABLE_INTERVAL_S:
            self.save_if_possible()

    def sweep(self) -> None:
        """Remove what killed processes left."""
        self._store.sweep(self.planned)

    def _case_id(self, name: str) -> str:
        return self.planned[name].case.case_id


def _compute(
    tasks: Sequence[Task],
    ledger: Ledger,
    execute: Execute,
    meter: Meter,
    cancelled: Callable[[], bool] | None,
) -> None:
    def update(processes: Sequence) -> None:
        ledger.save_now_and_then()
        meter.update([(process.task.name, process.step, process.fraction) for process in processes])

    try:
        with contextlib.closing(execute(tasks, update=update, cancelled=cancelled)) as records:
            for record in records:
                ledger.enter(record)
                meter.ended(record.status != DONE)
    except (KeyboardInterrupt, Cancelled):
        ledger.save_if_possible()
        what = f"Stopped: {ledger.complete} of {len(ledger.planned)} cases are complete."
        raise Cancelled(what, GO_ON) from None
    finally:
        meter.close()
        ledger.sweep()


def _finished(store: Store, tasks: Sequence[Task], columns: Sequence[str]) -> dict[str, Record]:
    """Records of the tasks that are complete and unchanged; a record that was altered counts as none."""
    if not tasks:
        return {}
    settings = settings_fingerprint(tasks[0].model, tasks[0].scheme)

    def unchanged(task: Task) -> Record | None:
        record = store.read(task.name)
        if record is None or not store.is_complete(record):
            return None
        if task.dicom and not any(name.startswith("dicom/") for name in record.files):
            return None
        if not set(record.row) <= set(columns) or record.row.get("case_id") != task.case.case_id:
            return None
        try:
            same = record.fingerprint == case_fingerprint(task.case, task.notes, settings)
        except OSError:  # the case itself will tell
            return None
        return record if same else None

    with ThreadPoolExecutor(_HASHING_THREADS) as pool:
        records = pool.map(unchanged, tasks)
        return {record.name: record for record in records if record is not None}


def _refuse_existing(store: Store, tasks: Sequence[Task]) -> None:
    existing = [task.name for task in tasks if (store.out_dir / task.name).exists()]
    if existing:
        raise InputError(
            f"{store.out_dir} has results of {len(existing)} of these cases already, for example {existing[0]}.",
            "Use --resume to keep what is complete and unchanged, --overwrite to compute all again, or another output "
            "folder.",
        )


def _remarks(ledger: Ledger) -> list[str]:
    remarks = []
    if ledger.others:
        remarks.append(f"The table also holds {ledger.others} case(s) that are not in this list; they were kept.")
    people = sessions_by_person(ledger.case_ids)
    if people:
        remarks.append(
            f"{len(people)} person(s) have several sessions, each in its own row: use one of them in a group analysis."
        )
    return remarks


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else Path(path).resolve()
