"""The process that computes one case: ``python -m RegionalBrainAgeLib.batch.run.case_worker``.

The task comes as one line on stdin.

It leaves the case's folder and then its record, tells its steps on stdout as JSON lines and everything else on stderr.
Its life hangs on its parent: stdin closing, or on Linux the parent's death itself, ends it at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TextIO

from ... import __version__
from ...case.provenance import peak_memory_mb
from ...case.result.result import CaseResult
from ...errors import Cancelled, RegionalBrainAgeError
from ...files.tables import cell
from .case_records import DISK_FULL, DONE, FAILED, RUN_AGAIN, Record, Store, list_files
from .fingerprint import case_fingerprint, settings_fingerprint
from .task import EXIT_CANCELLED, EXIT_UNRECORDED, Task, task_from_line

_PR_SET_PDEATHSIG = 1


def main(run_case: Callable[..., CaseResult] | None = None) -> int:
    """Compute the case given on stdin.

    Returns 0 when done, 3 when it failed, 4 when its record could not be written, 130 when stopped.

    Parameters
    ----------
    run_case : as `case.pipeline.run_case`, which is the default.
    """
    _die_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    events = _events_apart_from_prints()
    line = sys.stdin.readline()
    if not line:
        return EXIT_CANCELLED
    threading.Thread(target=_end_when_stdin_closes, daemon=True).start()
    task = task_from_line(line)
    _say(f"{task.name}: started {time.strftime('%Y-%m-%d %H:%M:%S')}")
    try:
        record = compute(task, run_case or _pipeline(), _progress(events))
    except (KeyboardInterrupt, Cancelled):
        _say("Stopped.")
        return EXIT_CANCELLED
    _say(f"{task.name}: {record.status} after {record.seconds:.1f} s, {record.peak_memory_mb:.0f} MB. {record.reason}")
    try:
        Store(task.out_dir).write(record)
    except RegionalBrainAgeError as error:
        _say(str(error))
        return EXIT_UNRECORDED
    return 0 if record.status == DONE else 3


def compute(task: Task, run_case: Callable[..., CaseResult], progress: Callable[[str, float], None]) -> Record:
    """Compute a case and say how it ended; only a request to stop leaves as an exception."""
    start = time.monotonic()
    try:
        settings = settings_fingerprint(task.model, task.scheme)
        fingerprint = case_fingerprint(task.case, task.notes, settings)
        result = run_case(
            task.case,
            task.out_dir,
            model=task.model,
            scheme=task.scheme,
            progress=progress,
            overwrite=True,
            threads=task.threads,
            append=False,
            keep_paths=task.keep_paths,
            notes=task.notes,
            report=task.report,
            dicom=task.dicom,
        )
    except Cancelled:
        raise
    except Exception as error:  # whatever goes wrong in one case is told and stops no other
        _say(traceback.format_exc())
        return Record(task.name, FAILED, reason=_reason(error), seconds=time.monotonic() - start)
    _draw(task)
    return Record(
        name=task.name,
        status=DONE,
        fingerprint=fingerprint,
        row=_row(result),
        files=list_files(task.out_dir / task.name),
        warnings=result.warnings,
        seconds=round(time.monotonic() - start, 2),
        peak_memory_mb=round(peak_memory_mb()),
    )


def _draw(task: Task) -> None:
    """Small pictures for the quality page. A case without them is still a case."""
    if not (task.out_dir / task.name / f"{task.name}_desc-brain_mask.nii.gz").exists():
        return
    from ...case.measure_head import t1_path
    from ..review.thumbnails import draw_thumbnails

    store, head = Store(task.out_dir), t1_path(task.case)
    if head is None:
        return
    try:
        for kind, content in draw_thumbnails(task.out_dir / task.name, head).items():
            store.thumbnail_path(task.name, kind).write_bytes(content)
    except Exception:
        _say("No pictures for the quality page:\n" + traceback.format_exc())


def _row(result: CaseResult) -> Mapping[str, str]:
    return {column: cell(value, "") for column, value in result.processed_row(__version__).items()}


def _reason(error: Exception) -> str:
    if isinstance(error, RegionalBrainAgeError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"The memory is used up. Use fewer --workers, then {RUN_AGAIN}."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL
    return f"An unexpected fault occurred: {type(error).__name__}: {error}. Its log has the details."


def _pipeline() -> Callable[..., CaseResult]:
    from ...case.pipeline import run_case

    return run_case


def _progress(events: TextIO) -> Callable[[str, float], None]:
    start = time.monotonic()

    def progress(step: str, fraction: float) -> None:
        _say(f"[{time.monotonic() - start:6.1f} s] {100 * fraction:3.0f} %  {step}")
        print(json.dumps({"step": step, "fraction": fraction}), file=events, flush=True)

    return progress


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not hide the result
        print(text, file=sys.stderr, flush=True)


def _events_apart_from_prints() -> TextIO:
    """A stream to the parent; whatever a library prints goes to the log instead."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


def _die_with_parent() -> None:
    """On Linux the kernel kills this process with its parent, even inside a long computation.

    Elsewhere `_end_when_stdin_closes` does, as soon as Python gets its turn.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died in between
        os._exit(EXIT_CANCELLED)


def _end_when_stdin_closes() -> None:
    while sys.stdin.readline():
        pass
    os._exit(EXIT_CANCELLED)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
