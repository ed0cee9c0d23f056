"""The steps of a long computation: named, timed, reported and cancellable."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from ..errors import Cancelled

Progress = Callable[[str, float], None]
# Rough shares of the time of a case at 1 mm, in order; they only shape the progress bar.
EXPECTED_SECONDS = {
    "read": 2,
    "brain mask": 4,
    "bias field": 9,
    "registration": 30,
    "structures": 5,
    "tissue": 15,
    "thickness": 15,
    "parcels": 4,
    "lesion": 3,
    "ages": 3,
    "pictures": 8,
    "write": 8,
}


class Steps:
    """Times each step and tells where the work stands.

    Parameters
    ----------
    progress : called as ``progress(step, fraction)`` when a step begins, and with ``("done", 1.0)`` by `finish`.
    cancelled : asked between steps; True ends the work.
    """

    def __init__(self, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress or (lambda step, fraction: None)
        self._cancelled = cancelled or (lambda: False)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step; raises `Cancelled` instead of beginning it when asked to stop."""
        if self._cancelled():
            raise Cancelled("Cancelled.", "No result was written for this case.")
        self._progress(name, self._fraction_before(name))
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    def finish(self) -> None:
        """Say that the work is done."""
        self._progress("done", 1.0)

    @staticmethod
    def _fraction_before(name: str) -> float:
        names = list(EXPECTED_SECONDS)
        before = names[: names.index(name)]
        return sum(EXPECTED_SECONDS[n] for n in before) / sum(EXPECTED_SECONDS.values())
