"""Where a batch stands: a bar with rate and time left on stderr, and a callback for those who have a window."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tqdm import tqdm

Progress = Callable[[str, float], None]
_FORMAT = "{percentage:3.0f} %|{bar}| {n:.1f}/{total} cases [{elapsed}<{remaining}, {rate_fmt}]{postfix}"
# A log file gets a line now and then instead of a moving bar.
_LOG_INTERVAL_S = 30.0


class Meter:
    """Counts cases, with the parts of those under way.

    Parameters
    ----------
    total : number of cases to compute.
    callback : called as ``callback(text, fraction)``; None for none.
    show_bar : draw the bar on stderr.
    """

    def __init__(self, total: int, callback: Progress | None = None, show_bar: bool = True) -> None:
        self._total = total
        self._callback = callback
        self._done = 0
        self._failed = 0
        self._bar = tqdm(
            total=total,
            unit="case",
            file=sys.stderr,
            disable=not show_bar or total == 0,
            bar_format=_FORMAT,
            smoothing=0.0,
            mininterval=0.2 if sys.stderr is not None and sys.stderr.isatty() else _LOG_INTERVAL_S,
        )

    def ended(self, failed: bool) -> None:
        """One more case has ended."""
        self._done += 1
        self._failed += failed

    def update(self, steps: list[tuple[str, str, float]]) -> None:
        """Show the state.

        Parameters
        ----------
        steps : case name, step and fraction (0..1) of each case under way.
        """
        under_way = self._done + sum(fraction for _, _, fraction in steps)
        text = ", ".join(f"{name}: {step}" for name, step, _ in steps[:3])
        if self._failed:
            text = f"{self._failed} failed; {text}"
        self._bar.set_postfix_str(text, refresh=False)
        # Never backwards: a case that is tried again begins anew.
        self._bar.update(max(0.0, under_way - self._bar.n))
        if self._callback is not None:
            self._callback(f"{self._done} of {self._total} cases. {text}", under_way / max(self._total, 1))

    def close(self) -> None:
        """End the bar."""
        if not self._bar.disable:
            self._bar.n = self._done
        self._bar.close()
