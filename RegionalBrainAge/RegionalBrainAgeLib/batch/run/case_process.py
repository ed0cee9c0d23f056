"""One case in a process of its own, which ends when the process that started it ends, however that ends."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from .case_records import FAILED, RUN_AGAIN, Record, Store
from .task import EXIT_CANCELLED, EXIT_UNRECORDED, Task

WORKER = (sys.executable, "-m", "RegionalBrainAgeLib.batch.run.case_worker")
GRACE_S = 5.0
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


class CaseProcess:
    """A running case.

    The standard input of the process is a lifeline: it stays open while this object lives, and the process ends at once
    when it closes (see `case_worker`). Its messages go to the case's log.

    Parameters
    ----------
    task : what to compute.
    first_attempt : begin a new log instead of adding to it.

    Raises
    ------
    OSError : the process cannot be started or the log cannot be written.
    """

    def __init__(self, task: Task, first_attempt: bool = True) -> None:
        self.task = task
        self.step, self.fraction = "start", 0.0
        store = Store(task.out_dir)
        store.forget(task.name)
        with store.log_path(task.name).open("w" if first_attempt else "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                task.command or WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                env=worker_environment(task.threads),
                start_new_session=True,  # Ctrl-C in a terminal reaches the batch alone, which then ends its cases
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # a pipe, as is stdout
        assert stdout is not None
        self._lifeline, self._messages = stdin, stdout
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.write(task.as_line())
            self._lifeline.flush()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ended(self) -> bool:
        """Whether the process is over, well or not."""
        return self._process.poll() is not None

    def memory_mb(self) -> float:
        """Memory the process holds now (MB)."""
        try:
            return psutil.Process(self.pid).memory_info().rss / 1e6
        except psutil.Error:
            return 0.0

    def was_killed(self) -> bool:
        """Whether it was ended from outside, as when memory runs out."""
        code = self._process.poll()
        return code is not None and (code < 0 or code == EXIT_CANCELLED)

    def record(self) -> Record:
        """How the case ended; call it after the end."""
        found = Store(self.task.out_dir).read(self.task.name)
        self._close()
        return found or Record(self.task.name, FAILED, reason=_silent_end(self._process.returncode))

    def ask_to_stop(self) -> None:
        """Tell the process to end, without waiting for it."""
        if not self.ended():
            self._process.terminate()

    def stop(self) -> None:
        """Ask the process to end, insist after a while, and wait until it is gone."""
        self.ask_to_stop()
        if not self.ended():
            try:
                self._process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._close()

    def _listen(self) -> None:
        for line in self._messages:
            with contextlib.suppress(ValueError, KeyError):
                event = json.loads(line)
                self.step, self.fraction = event["step"], event["fraction"]

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._lifeline.close()


def worker_environment(threads: int) -> dict[str, str]:
    """Environment of a case: numerical libraries keep to this many threads, and this library is found where it is now.

    The second matters inside an application that puts the library on its path itself.
    """
    library = str(Path(__file__).resolve().parents[3])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads)) | {"PYTHONPATH": os.pathsep.join(paths)}


def _silent_end(code: int) -> str:
    if code < 0 or code == EXIT_CANCELLED:
        return (
            "The process of this case was killed from outside, twice. "
            f"Most often memory ran out: use fewer --workers, then {RUN_AGAIN}."
        )
    if code == EXIT_UNRECORDED:
        return f"The result could not be recorded. Free some space of the disk, then {RUN_AGAIN}."
    what = f"The process of this case ended unexpectedly (code {code})."
    return f"{what} Read its log, then {RUN_AGAIN}."
