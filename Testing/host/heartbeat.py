"""How long the window does not answer: the longest turn of the event loop, and its share of all the work."""

from __future__ import annotations

import time

from PySide6 import QtCore


class Heartbeat:
    """The longest turn between two beats of a 2 ms timer: wall time, and CPU time of the thread.

    CPU time is what the window's own work costs; wall time also grows with everything else a busy machine does.
    `longest_share` is the same on a slow machine: the longest turn's part of the CPU time of all turns.
    """

    def __init__(self) -> None:
        self.restart()
        self.timer = QtCore.QTimer()
        self.timer.timeout.connect(self.beat)
        self.timer.start(2)

    def restart(self) -> None:
        """Forget what was."""
        self.wall_s = self.cpu_s = self.all_cpu_s = 0.0
        self.beats = 0
        self._last, self._last_cpu = time.perf_counter(), time.thread_time()

    def beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        self.wall_s, self._last = max(self.wall_s, now - self._last), now
        self.all_cpu_s += cpu - self._last_cpu
        self.cpu_s, self._last_cpu = max(self.cpu_s, cpu - self._last_cpu), cpu
        self.beats += 1

    @property
    def longest_share(self) -> float:
        """From 0 to 1, where all work is one turn."""
        return self.cpu_s / self.all_cpu_s

    def stop(self) -> None:
        """The turn that is going on counts too."""
        self.beat()
        self.timer.stop()

    def __str__(self) -> str:
        longest = f"{1000 * self.cpu_s:.0f} ms CPU ({self.longest_share:.2f} of all), {1000 * self.wall_s:.0f} ms wall"
        return f"longest turn {longest}, {self.beats} beats"
