"""One background run of the library: started, followed line by line, cancelled with everything it started."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import qt
import slicer
from RegionalBrainAgeLib.errors import RegionalBrainAgeError
from slicer.i18n import tr as _

LIBRARY_PROCESS = Path(__file__).with_name("library_process.py")
# "[  12.3 s]  45 %  registration", as the command line prints on stderr.
_PROGRESS = re.compile(r"\[\s*[\d.]+ s\]\s+(\d+) %\s+(.*)")
_GRACE_MS = 900
_KEPT_LINES = 400


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `message` is a sentence for the user, `details` the last lines of output."""

    succeeded: bool
    cancelled: bool
    message: str
    details: str
    output: tuple[str, ...] = ()


@dataclass
class BackgroundRun:
    """Starts the library in PythonSlicer and reports through callbacks in the GUI thread.

    Parameters
    ----------
    on_progress : called with (percent, step) at each step.
    on_line : called with every other line.
    on_finished : called once with an `Outcome`.
    launch : ``slicer.util.launchConsoleProcess`` unless a test gives another.
    script : the file to run.
    """

    on_progress: Callable[[int, str], None]
    on_finished: Callable[[Outcome], None]
    on_line: Callable[[str], None] = lambda line: None
    launch: Callable = None
    script: Path = LIBRARY_PROCESS
    lines: list[str] = field(default_factory=list)
    _process: object = None
    _tree: list = field(default_factory=list)
    _cancelled: bool = False
    _clean: tuple[Path, str] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is at work."""
        return self._process is not None

    def start(self, arguments: list[str], clean: tuple[Path, str] | None = None) -> None:
        """Run the script with arguments.

        `clean` is (output folder, case name): what a killed run may leave there under hidden names is removed.

        Raises
        ------
        RegionalBrainAgeError : PythonSlicer is not found.
        """
        self._cancelled, self._clean = False, clean
        self.lines.clear()
        launch = self.launch or slicer.util.launchConsoleProcess
        self._process = launch(
            [python_slicer(), str(self.script), *arguments],
            blocking=False,
            updateEnvironment={"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
            logCallback=self._line,
            completedCallback=self._completed,
        )

    def cancel(self) -> None:
        """End the run and everything it started: asked first, forced after a second. Returns at once."""
        if self._process is None or self._cancelled:
            return
        self._cancelled = True
        self._tree = process_tree(self._process)
        for process in self._tree:
            _end(process, "terminate")
        qt.QTimer.singleShot(_GRACE_MS, self._force)

    def abandon(self) -> None:
        """Cancel, and tell nobody: whoever started the run is going away."""
        self.on_progress = self.on_line = self.on_finished = lambda *_unused: None
        self.cancel()

    def _force(self) -> None:
        survivors = {process.pid: process for process in self._tree}
        if self._process is not None:
            survivors.update({process.pid: process for process in process_tree(self._process)})
        for process in survivors.values():
            _end(process, "kill")

    def _line(self, line: str) -> None:
        match = _PROGRESS.match(line)
        if match:
            self.on_progress(int(match.group(1)), match.group(2).strip())
            return
        self.lines.append(line)
        del self.lines[:-_KEPT_LINES]
        self.on_line(line)

    def _completed(self, return_code: int) -> None:
        self._process = None
        if self._clean is not None and return_code != 0:
            remove_remains(*self._clean)
        self.on_finished(self._outcome(return_code))

    def _outcome(self, return_code: int) -> Outcome:
        details = "\n".join(self.lines[-60:])
        if self._cancelled:
            return Outcome(False, True, _("Cancelled. No result was written."), details)
        if return_code == 0:
            return Outcome(True, False, "", details, tuple(self.lines))
        errors = [line.removeprefix("error: ") for line in self.lines if line.startswith("error: ")]
        if errors:
            return Outcome(False, False, errors[-1], details)
        if return_code in (-9, 137):
            text = _("The system ended the computation, most often because memory ran out. "
                     "Close other programs and estimate again.")  # fmt: skip
        else:
            text = _("The computation stopped unexpectedly. Estimate again; if it happens again, "
                     "send the details below to the developers.")  # fmt: skip
        return Outcome(False, False, text, details)


def python_slicer() -> str:
    """Path of Slicer's own Python interpreter."""
    path = shutil.which("PythonSlicer")
    if path is None:
        raise RegionalBrainAgeError(
            _("Slicer's Python interpreter (PythonSlicer) was not found."), _("Repair the Slicer installation.")
        )
    return path


def process_tree(process) -> list:
    """The process and all its descendants; empty when it has ended."""
    try:
        import psutil
    except ImportError:
        # Only possible while the first run is telling that packages are missing: it has no children then.
        return [process]
    try:
        root = psutil.Process(process.pid)
        return [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return []


def remove_remains(out_dir: Path, name: str) -> None:
    """Remove hidden remains of a killed run; a folder that was being replaced gets its place back."""
    final, retired = out_dir / name, out_dir / f".{name}.replaced"
    if retired.exists() and not final.exists():
        retired.rename(final)
    for partial in out_dir.glob(f".{name}.partial-*"):
        # A dying process may still hold a file for a moment (Windows).
        for _attempt in range(3):
            shutil.rmtree(partial, ignore_errors=True)
            if not partial.exists():
                break
            time.sleep(0.02)
    (out_dir / f".{name}.lock").unlink(missing_ok=True)


def _end(process, action: str) -> None:
    """Terminate or kill a process that may have ended by itself meanwhile."""
    if process.is_running() if hasattr(process, "is_running") else process.poll() is None:
        with contextlib.suppress(OSError):
            getattr(process, action)()
