"""Where a batch stands: a bar with rate and time left on stderr (lines where stderr is a file), and a callback."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tqdm import tqdm

Progress = Callable[[str, float], None]
_FORMAT = "{percentage:3.0f} %|{bar}| {n:.1f}/{total} cases [{elapsed}<{remaining}, {rate_fmt}]{postfix}"
LINE_INTERVAL_S = 10.0


class Meter:
    """Counts cases, with the parts of those under way.

    Parameters
    ----------
    total : number of cases to compute.
    callback : called as ``callback(text, fraction)``; None for none.
    show : draw the bar, or write lines like those of ``case``, on stderr.
    """

    def __init__(self, total: int, callback: Progress | None = None, show: bool = True) -> None:
        self._total = total
        self._callback = callback
        self._done = 0
        self._failed = 0
        self._start = time.monotonic()
        self._told = -LINE_INTERVAL_S
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self._lines = show and total > 0 and not terminal
        self._bar = tqdm(
            total=total,
            unit="case",
            file=sys.stderr,
            disable=not (show and terminal and total > 0),
            bar_format=_FORMAT,
            smoothing=0.0,
            mininterval=0.2,
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
        if self._lines and time.monotonic() - self._told >= LINE_INTERVAL_S:
            self._write_line(under_way, text)
        if self._callback is not None:
            self._callback(f"{self._done} of {self._total} cases. {text}", under_way / max(self._total, 1))

    def close(self) -> None:
        """End the bar."""
        if not self._bar.disable:
            self._bar.n = self._done
        self._bar.close()
        if self._lines:
            self._write_line(self._done, f"{self._failed} failed" if self._failed else "")

    def _write_line(self, under_way: float, text: str) -> None:
        self._told = time.monotonic()
        seconds = self._told - self._start
        speed = ""
        if 0 < under_way < self._total:
            left_min = seconds * (self._total - under_way) / under_way / 60
            speed = f", {60 * under_way / seconds:.2g} a minute, {left_min:.0f} min left"
        percent = 100 * under_way / self._total
        print(
            f"[{seconds:6.1f} s] {percent:3.0f} %  {self._done} of {self._total} cases{speed}. {text}".rstrip(),
            file=sys.stderr,
            flush=True,
        )
