"""How long the window does not answer: the longest turn of the event loop."""

from __future__ import annotations

import time

from PySide6 import QtCore


class Heartbeat:
    """The longest turn between two beats of a 2 ms timer: wall time, and CPU time of the thread.

    CPU time is what the window's own work costs; wall time also grows with everything else a busy machine does.
    """

    def __init__(self) -> None:
        self.restart()
        self.timer = QtCore.QTimer()
        self.timer.timeout.connect(self.beat)
        self.timer.start(2)

    def restart(self) -> None:
        """Forget what was."""
        self.wall_s = self.cpu_s = 0.0
        self.beats = 0
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()

    def beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        self.wall_s, self._last = max(self.wall_s, now - self._last), now
        self.cpu_s, self._last_cpu = max(self.cpu_s, cpu - self._last_cpu), cpu
        self.beats += 1

    def stop(self) -> None:
        """The turn that is going on counts too."""
        self.beat()
        self.timer.stop()
