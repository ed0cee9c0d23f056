"""Tells a person where a long computation stands: a line for each step, with the time left, through Python's logging.

The command line decides where messages go (``-q``, ``-v``, ``--log-file``); in a program of one's own the logger
`LOG` is set up like any other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

Progress = Callable[[str, float], None]
LOG = logging.getLogger("regional_brain_age")

# Before this, an estimate of the time left is worth nothing.
LEAST_FRACTION, LEAST_SECONDS = 0.05, 5.0
# Within one step a line is written only after this further share of the whole.
STRIDE = 0.05


def progress_lines(clock: Callable[[], float] = time.monotonic) -> Progress:
    """A progress function that logs one line per step, and now and then within a long step.

    The lines read ``[  12.3 s]  45 %  registration (about 1 min left)``; the panel of 3D Slicer reads them back.
    """
    start = clock()
    last: list = ["", -1.0]

    def progress(step: str, fraction: float) -> None:
        if step == last[0] and fraction - last[1] < STRIDE:
            return
        last[:] = [step, fraction]
        seconds = clock() - start
        left = time_left(seconds, fraction)
        LOG.info(f"[{seconds:6.1f} s] {100 * fraction:3.0f} %  {step}" + (f" ({left})" if left else ""))

    return progress


def time_left(seconds: float, fraction: float) -> str:
    """How long the rest will take at the pace so far, in words; "" at the end and while nobody can tell.

    Parameters
    ----------
    seconds : time passed.
    fraction : share done, 0..1.
    """
    if seconds < LEAST_SECONDS or not LEAST_FRACTION <= fraction < 1:
        return ""
    return left_in_words(seconds * (1 - fraction) / fraction)


def left_in_words(seconds: float) -> str:
    """A time left (s) as it is told: ``about 20 s left``, ``about 7 min left``, ``about 2.5 h left``."""
    if seconds < 60:
        return f"about {max(5, 5 * round(seconds / 5))} s left"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"
