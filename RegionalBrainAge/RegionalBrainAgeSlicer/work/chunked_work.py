"""Long work in the window's own thread, cut into pieces so that the window stays alive between them.

Such work is written as a generator that yields after every piece, with a few words on what it does. Scripts run it at
once; the panel runs it a few pieces per turn of the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import qt

Steps = Iterator[str]
# A turn takes pieces until this much time is gone; a piece itself takes at most some tens of milliseconds.
TURN_S = 0.02


def at_once(steps: Steps) -> None:
    """Run all pieces without a pause."""
    for _said in steps:
        pass


class TurnByTurn:
    """Runs `steps` between the turns of the event loop.

    Parameters
    ----------
    on_step : called with the words of the pieces.
    on_end : called once, with None or with the exception that ended the work. Not called after `stop`.
    """

    def __init__(
        self,
        steps: Steps,
        on_end: Callable[[Exception | None], None],
        on_step: Callable[[str], None] = lambda said: None,
    ) -> None:
        self._steps, self._on_end, self._on_step = steps, on_end, on_step
        self.running = True
        # One timer for all turns: those of Slicer's QTimer.singleShot live as long as the application.
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)
        self._timer.start(0)

    def stop(self) -> None:
        """Leave the rest undone."""
        self.running = False

    def finish(self) -> None:
        """Do the rest at once."""
        while self.running:
            self._turn(until=float("inf"))

    def _turn(self, until: float | None = None) -> None:
        if not self.running:
            return
        end = until or time.perf_counter() + TURN_S
        try:
            said = next(self._steps)
            while self.running and time.perf_counter() < end:
                said = next(self._steps)
        except StopIteration:
            self._finish(None)
        except Exception as error:  # told to the user by on_end
            self._finish(error)
        else:
            if self.running:
                self._on_step(said)
                self._timer.start(0)

    def _finish(self, error: Exception | None) -> None:
        if self.running:
            self.running = False
            self._on_end(error)
