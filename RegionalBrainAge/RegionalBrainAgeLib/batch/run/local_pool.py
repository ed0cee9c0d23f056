"""Runs tasks on this machine: a process per case, no more at a time than cores and memory allow."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence

from ...errors import Cancelled
from .case_process import CaseProcess
from .case_records import DISK_FULL, FAILED, GO_ON, Record
from .memory import available_mb, fits
from .task import Task

# Peak of one whole head with a lesion at 1 mm and the shipped model, as measured (docs/cluster.md); no more cases are
# started than fit by this, or by what the cases of this run turned out to need where that is more.
PEAK_MEMORY_MB = 3000.0
_POLL_S = 0.1

Update = Callable[[Sequence[CaseProcess]], None]


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform.startswith("linux") else os.cpu_count() or 1


def run_local(
    tasks: Sequence[Task],
    *,
    workers: int,
    peak_memory_mb: float = PEAK_MEMORY_MB,
    update: Update | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Generator[Record, None, None]:
    """Compute all tasks, yielding how each ended in the order they end.

    A case whose process is killed from outside (memory used up) is tried once more, with nothing beside it. Leaving the
    loop early (an error, Ctrl-C, closing the generator) ends all processes.

    Parameters
    ----------
    workers : most processes at a time.
    peak_memory_mb : memory a case may come to need.
    update : called about ten times a second with the running processes.
    cancelled : asked as often; True ends everything.

    Raises
    ------
    Cancelled : the `cancelled` callback returned True.
    """
    waiting = deque((task, True) for task in tasks)
    running: dict[CaseProcess, bool] = {}
    try:
        while waiting or running:
            if cancelled is not None and cancelled():
                raise Cancelled("Cancelled.", GO_ON)
            while waiting and _may_start(waiting[0][1], running, workers, peak_memory_mb):
                task, first = waiting.popleft()
                try:
                    running[CaseProcess(task, first)] = first
                except OSError as error:
                    yield Record(task.name, FAILED, reason=_cannot_start(error))
            for process in [p for p in running if p.ended()]:
                first = running.pop(process)
                record = process.record()
                if first and process.was_killed():
                    waiting.append((process.task, False))
                    continue
                peak_memory_mb = max(peak_memory_mb, record.peak_memory_mb)
                yield record
            if update is not None:
                update(list(running))
            time.sleep(_POLL_S)
    finally:
        stop_all(list(running))


def stop_all(processes: Sequence[CaseProcess]) -> None:
    """End processes together, politely first."""
    for process in processes:
        process.ask_to_stop()
    for process in processes:
        process.stop()


def _may_start(first: bool, running: dict[CaseProcess, bool], workers: int, peak_memory_mb: float) -> bool:
    if not running:
        return True
    if not first or not all(running.values()) or len(running) >= workers:
        return False
    return fits(peak_memory_mb, (p.memory_mb() for p in running), available_mb())


def _cannot_start(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL
    return f"The process of this case could not be started: {error.strerror}."
